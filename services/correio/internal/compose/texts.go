package compose

import "correio/services/internal/text"

var (
	noFile = text.New(
		"there is no %s in %s or above it: run this inside the repository of the lab",
		"não há %s em %s nem acima: rode este comando dentro do repositório do laboratório")
	badCompose = text.New(
		"CORREIO_COMPOSE is %q, but that does not work: %v",
		"CORREIO_COMPOSE é %q, mas isso não funciona: %v")
	noCompose = text.New(
		"Docker Compose (v2 or later, or docker-compose from 1.29 on) is not here: install it, or let ./scripts/up build one, or use `correio run`, which needs no Docker",
		"o Docker Compose (v2 ou mais novo, ou docker-compose a partir da 1.29) não está aqui: instale-o, ou deixe ./scripts/up construir um, ou use `correio run`, que não precisa de Docker")
	noEngine = text.New(
		"the Docker engine does not answer (%v): start it, or use `correio run`, which needs no Docker",
		"o Docker não responde (%v): inicie-o, ou use `correio run`, que não precisa de Docker")
	noImage = text.New(
		"the image correio:local is not built yet: run ./scripts/up, which builds it and starts the lab",
		"a imagem correio:local ainda não foi construída: rode ./scripts/up, que a constrói e inicia o laboratório")
	pageTaken = text.New(
		"port %d of 127.0.0.1 is taken: choose another one for the page, such as LAB_HTTP_PORT=8081",
		"a porta %d de 127.0.0.1 está em uso: escolha outra para a página, por exemplo LAB_HTTP_PORT=8081")
	portTaken = text.New(
		"port %d of 127.0.0.1 is taken: stop what listens there, or change the port in docker-compose.yml and deploy/lab.yaml",
		"a porta %d de 127.0.0.1 está em uso: pare o que escuta ali, ou mude a porta em docker-compose.yml e deploy/lab.yaml")
	noContainer = text.New("service %s of project %s has no container: is the lab up (./scripts/up)?",
		"o serviço %s do projeto %s não tem contêiner: o laboratório está no ar (./scripts/up)?")
	composeFailed = text.New("%s failed: %v", "%s falhou: %v")
	networkInUse  = text.New(
		"network %s stays, because containers that are not the lab's are on it: %s. Remove them (docker rm -f NAME) and run `correio down` again",
		"a rede %s fica, porque há contêineres nela que não são do laboratório: %s. Remova-os (docker rm -f NOME) e rode `correio down` de novo")
	networkMiscounted = text.New(
		"network %s stays: Docker counts containers on it that are gone, a known fault. Restart Docker (sudo systemctl restart docker) and run `correio down` again; `correio up` works without that",
		"a rede %s fica: o Docker conta nela contêineres que não existem mais, uma falha conhecida. Reinicie o Docker (sudo systemctl restart docker) e rode `correio down` de novo; `correio up` funciona sem isso")
	noSuchNode = text.New("there is no node %q; the lab has: %s", "não há nó %q; o laboratório tem: %s")
)
