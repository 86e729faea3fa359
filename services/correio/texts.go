package main

import "correio/services/internal/text"

var (
	rootLong = text.New(
		"Correio is a mail laboratory: a small private internet with DNS, SMTP and POP3 on real sockets,\n"+
			"in which mail finds its way between organisations by MX records alone.",
		"O Correio é um laboratório de correio eletrônico: uma pequena internet privada com DNS, SMTP e POP3\n"+
			"em sockets de verdade, onde as mensagens acham o caminho entre organizações só por registros MX.")
	rootExample = text.New(
		"  correio run                                  the lab on this machine, without Docker\n"+
			"  correio send --from ana@aurora.test --to bruno@boreal.test\n"+
			"  correio trace --last                         how that mail travelled",
		"  correio run                                  o laboratório nesta máquina, sem Docker\n"+
			"  correio send --from ana@aurora.test --to bruno@boreal.test\n"+
			"  correio trace --last                         como a mensagem viajou")

	jsonFlag    = text.New("data as JSON", "dados em JSON")
	unknownLang = text.New("--lang takes en or pt-BR, not %q", "--lang aceita en ou pt-BR, não %q")
	langFlag    = text.New("`LANGUAGE`, en or pt-BR (default: the locale's)", "`IDIOMA`, en ou pt-BR (padrão: o do sistema)")
	labFlag     = text.New("`URL` of the lab's page", "`URL` da página do laboratório")
	noColorFlag = text.New("no colours (also NO_COLOR)", "sem cores (também NO_COLOR)")
	timeoutFlag = text.New("how long to wait", "quanto tempo esperar")
	speedFlag   = text.New("divide the lab's waiting times by this factor (also LAB_SPEED; default 1)",
		"divide os tempos de espera do laboratório por este fator (também LAB_SPEED; padrão 1)")
	verboseDialogueFlag = text.New("show the dialogue with the server", "mostra o diálogo com o servidor")

	badLab             = text.New("%q is not the address of a lab; wanted: http://HOST:PORT", "%q não é o endereço de um laboratório; esperado: http://HOST:PORTA")
	timeoutNotPositive = text.New("--timeout takes a duration above 0, such as 30s, not %s", "--timeout aceita uma duração maior que 0, como 30s, não %s")
	notAHostName       = text.New("%q is not a host name or an address", "%q não é um nome de host nem um endereço")
	nodeIsStopped      = text.New("%s is stopped. To start it: correio up %s", "%s está parado. Para iniciá-lo: correio up %s")
	nodeIsAway         = text.New("%s does not answer; it may be stopped. To start it: correio up %s", "%s não responde; pode estar parado. Para iniciá-lo: correio up %s")
	nodeIsNotReady     = text.New("%s is not ready yet: %s", "%s ainda não está pronto: %s")
	noSuchFile         = text.New("there is no file %s", "não existe o arquivo %s")
	badPort            = text.New("%s is %q, which is not a port", "%s é %q, que não é uma porta")
	badSpeed           = text.New("speed %q is not a number from 1 to %d", "a velocidade %q não é um número de 1 a %d")
	labNotRunning      = text.New(
		"no lab answers at %s: start one with ./scripts/up or `correio run`, or name another with --lab",
		"nenhum laboratório responde em %s: inicie um com ./scripts/up ou `correio run`, ou indique outro com --lab")
	timedOut     = text.New("timed out: %v", "tempo esgotado: %v")
	wasStopped   = text.New("interrupted", "interrompido")
	nodeAnswered = text.New("the lab answered: %v", "o laboratório respondeu: %v")

	versionShort      = text.New("Print the version", "Mostra a versão")
	completionShort   = text.New("Print a completion script for a shell", "Gera o script de completar comandos para um shell")
	completionExample = text.New(
		"  source <(correio completion bash)            # for this session",
		"  source <(correio completion bash)            # para esta sessão")
	unknownShell = text.New("unknown shell %q: bash, zsh or fish", "shell desconhecido %q: bash, zsh ou fish")
)

// check
var (
	checkShort = text.New("Find what disagrees in a lab directory", "Acha o que não combina num diretório de laboratório")
	checkLong  = text.New(
		"Reads a lab directory (default: deploy) and reports every fault, as FILE:LINE: TEXT.\n--json prints {\"faults\": [...]}, each with file, line, level (error or warning) and text.\n"+
			"Exit status 1 when the lab could not be started like this.",
		"Lê um diretório de laboratório (padrão: deploy) e aponta cada falha, como ARQUIVO:LINHA: TEXTO.\n--json mostra {\"faults\": [...]}, cada uma com file, line, level (error ou warning) e text.\n"+
			"Código de saída 1 se o laboratório não pode ser iniciado assim.")
	checkBroken = text.New("%s: %d fault(s)", "%s: %d falha(s)")
	checkFine   = text.New("%s: no faults", "%s: nenhuma falha")
)

const checkExample = "  correio check\n  correio check my-lab --json"

// run and node
var (
	runShort = text.New("Run the whole lab on this machine, without Docker and without root", "Roda o laboratório inteiro nesta máquina, sem Docker e sem root")
	runLong  = text.New(
		"Runs the whole lab in one process inside a private internet (Linux): the same addresses and ports\n"+
			"as in Docker, seen by nobody outside, gone without a trace afterwards.\n\n"+
			"Without COMMAND the page is on 127.0.0.1:8080 and the user ports (1025, 1110, ...) are open until\n"+
			"Ctrl-C. With COMMAND nothing is opened outside; COMMAND runs in there once every node is ready, and its\n"+
			"exit status is returned: 128+N when a signal N ended it, 127 when there is no such command. It finds the\n"+
			"lab's resolver in /etc/resolv.conf, and in its environment CORREIO_LAB (page and API), CORREIO_CA\n"+
			"(certificate authority) and CORREIO_DIR (lab directory). Addresses that nobody has do not answer; what\n"+
			"is outside of the lab is unreachable. It is root in there, and sees your files as you do.",
		"Roda o laboratório inteiro em um processo dentro de uma internet privada (Linux): os mesmos endereços e\n"+
			"portas que no Docker, invisíveis de fora, e que somem sem deixar rastro.\n\n"+
			"Sem COMANDO, a página fica em 127.0.0.1:8080 e as portas de usuário (1025, 1110, ...) ficam abertas até\n"+
			"Ctrl-C. Com COMANDO, nada é aberto para fora; COMANDO roda lá dentro quando todos os nós estão prontos, e\n"+
			"seu código de saída é devolvido: 128+N se o sinal N o encerrou, 127 se o comando não existe. Ele encontra\n"+
			"o resolvedor do laboratório em /etc/resolv.conf e, no ambiente, CORREIO_LAB (página e API), CORREIO_CA\n"+
			"(autoridade certificadora) e CORREIO_DIR (diretório do laboratório). Endereços que ninguém tem não\n"+
			"respondem; o que está fora do laboratório é inalcançável. Lá dentro ele é root, e vê os arquivos como você.")
	runExample = text.New(
		"  correio run                              page on 127.0.0.1:8080, until Ctrl-C\n"+
			"  correio run -- bash                      a shell inside that internet\n"+
			"  correio run --speed 60 -- go test ./...  your own tests against real mail servers",
		"  correio run                              página em 127.0.0.1:8080, até Ctrl-C\n"+
			"  correio run -- bash                      um shell dentro dessa internet\n"+
			"  correio run --speed 60 -- go test ./...  seus testes contra servidores de verdade")
	runDirFlag     = text.New("lab directory", "diretório do laboratório")
	runHTTPFlag    = text.New("address of the page on this machine (default 127.0.0.1:8080 without COMMAND, none with it)", "endereço da página nesta máquina (padrão 127.0.0.1:8080 sem COMANDO, nenhum com ele)")
	runPortsFlag   = text.New("user ports on 127.0.0.1: on or off (default on without COMMAND, off with it)", "portas de usuário em 127.0.0.1: on ou off (padrão on sem COMANDO, off com ele)")
	runStateFlag   = text.New("keep mail and queues in this folder (default: in memory, gone afterwards)", "guarda mensagens e filas nesta pasta (padrão: na memória, somem depois)")
	runLogFlag     = text.New("append the nodes' log to this file (default: nodes.log among the state)", "acrescenta o log dos nós a este arquivo (padrão: nodes.log junto do estado)")
	runVerboseFlag = text.New("show the nodes' log; without it, only errors", "mostra o log dos nós; sem ela, só erros")
	runNoLabHere   = text.New("there is no lab here (%s): go where Correio's deploy is, or name it with --dir", "não há laboratório aqui (%s): vá aonde está o deploy do Correio, ou indique-o com --dir")
	runBadPorts    = text.New("--ports takes on or off, not %q", "--ports aceita on ou off, não %q")
	runWantsDashes = text.New("put -- before the command: correio run -- %s", "ponha -- antes do comando: correio run -- %s")
	insideShort    = text.New("The inner process of run", "O processo interno de run")

	nodeShort       = text.New("Run one node of a lab", "Roda um nó de um laboratório")
	healthShort     = text.New("Ask a node how it is", "Pergunta a um nó como ele está")
	keysShort       = text.New("Make the keys of a lab", "Cria as chaves de um laboratório")
	nodeUnknownRole = text.New("unknown role %q: one of %s", "papel desconhecido %q: um de %s")
	nodeWantsBoth   = text.New("--dir and --name are needed", "--dir e --name são necessários")
	keysWantsBoth   = text.New("--dir and --out are needed", "--dir e --out são necessários")
	nodeNotThere    = text.New("%s has no host %s with the role %s", "%s não tem o host %s com o papel %s")
)

// up and down
var (
	upShort = text.New("Start the lab in Docker, or single nodes of a running lab", "Inicia o laboratório no Docker, ou nós de um laboratório que está rodando")
	upLong  = text.New(
		"Without NODE: starts the lab's containers, waits until every node is ready, sends a first mail from Ana to\n"+
			"Bruno and shows its journey. Doing so twice is fine. The image must be built: ./scripts/up does that first.\n"+
			"With NODE: starts nodes that `down NODE` has stopped.",
		"Sem NÓ: inicia os contêineres do laboratório, espera todos os nós ficarem prontos, envia a primeira mensagem\n"+
			"de Ana a Bruno e mostra sua jornada. Repetir não faz mal. A imagem precisa existir: ./scripts/up a constrói.\n"+
			"Com NÓ: inicia nós que `down NÓ` parou.")
	upSending   = text.New("Every node is ready. Sending a first mail from Ana to Bruno.", "Todos os nós estão prontos. Enviando a primeira mensagem de Ana a Bruno.")
	upFirstMail = text.New("send the first mail", "enviar a primeira mensagem")
	upSubject   = text.New("A first mail", "Primeira mensagem")
	upBody      = text.New("Hello Bruno, this came by MX and TCP 25.\n\nAna", "Oi, Bruno, isto veio por MX e TCP 25.\n\nAna")
	upRunning   = text.New(
		"The lab is running.\n"+
			"  page       %[1]s\n"+
			"  by hand    telnet 127.0.0.1 2025 (SMTP of boreal), telnet 127.0.0.1 2110 (POP3: user bruno, pass bruno)\n"+
			"  lines      correio trace --last\n"+
			"  stop       correio down",
		"O laboratório está rodando.\n"+
			"  página     %[1]s\n"+
			"  à mão      telnet 127.0.0.1 2025 (SMTP da boreal), telnet 127.0.0.1 2110 (POP3: user bruno, pass bruno)\n"+
			"  linhas     correio trace --last\n"+
			"  parar      correio down")

	downShort = text.New("Stop the lab in Docker, or single nodes of a running lab", "Para o laboratório no Docker, ou nós de um laboratório que está rodando")
	downLong  = text.New(
		"Without NODE: removes the lab's containers and networks. Mail is kept, unless --volumes is given.\n"+
			"With NODE: stops nodes of the running lab, by host name; `up NODE` starts them again.",
		"Sem NÓ: remove os contêineres e as redes do laboratório. As mensagens ficam, a não ser com --volumes.\n"+
			"Com NÓ: para nós do laboratório, pelo nome de host; `up NÓ` os inicia de novo.")
	downVolumesFlag   = text.New("throw away mail and keys as well (asks first)", "joga fora também mensagens e chaves (pergunta antes)")
	downYesFlag       = text.New("do not ask", "não pergunta")
	downKillFlag      = text.New("without a warning, as a power failure does (Docker only)", "sem aviso, como uma queda de energia (só no Docker)")
	downAsk           = text.New("Throw away all mail and keys of the lab? [y/N]", "Jogar fora todas as mensagens e chaves do laboratório? [s/N]")
	downStopping      = text.New("Stopping the nodes, one after another.", "Parando os nós, um após o outro.")
	downNotSure       = text.New("nothing was done: --volumes wants a yes, or --yes", "nada foi feito: --volumes pede um sim, ou --yes")
	downVolumesOfNode = text.New("--volumes is for the whole lab, not for single nodes", "--volumes é para o laboratório inteiro, não para nós")

	nodeNotReady = text.New("%s was started, but is not ready after %v: correio status says why", "%s foi iniciado, mas não ficou pronto em %v: correio status diz por quê")
	cannotKill   = text.New("this lab runs in one process: its nodes can be stopped (correio down NODE), not killed",
		"este laboratório roda num só processo: seus nós podem ser parados (correio down NÓ), não mortos")
	nodeDone = map[string]text.Text{
		"start": text.New("%s was started", "%s foi iniciado"),
		"stop":  text.New("%s was stopped", "%s foi parado"),
		"kill":  text.New("%s was killed", "%s foi morto"),
	}
)

const (
	upExample     = "  correio up\n  LAB_HTTP_PORT=8081 correio up\n  correio up mx1.boreal.test"
	downExample   = "  correio down\n  correio down --volumes --yes\n  correio down mx1.boreal.test\n  correio down --kill mx1.boreal.test"
	statusExample = "  correio status\n  correio status --wait --timeout 30s --json"
)

// status
var (
	statusShort    = text.New("Show every node and whether it is ready", "Mostra cada nó e se está pronto")
	statusLong     = text.New("Shows every node of the lab. Exit status 0 when all are ready, 1 when not, 3 when no lab answers.", "Mostra cada nó do laboratório. Código de saída 0 se todos estão prontos, 1 se não, 3 se nenhum laboratório responde.")
	statusWaitFlag = text.New("wait until every node is ready", "espera até todos os nós ficarem prontos")
	statusHeader   = text.New("NODE\tROLE\tINTERNET\tLAN\tSTATE", "NÓ\tPAPEL\tINTERNET\tLAN\tESTADO")
	nodeStates     = map[string]text.Text{
		"ready":       text.New("ready", "pronto"),
		"not-ready":   text.New("not ready", "não está pronto"),
		"unreachable": text.New("unreachable", "inalcançável"),
		"stopped":     text.New("stopped", "parado"),
	}
	someNotReady   = text.New("%d of %d nodes are not ready", "%d de %d nós não estão prontos")
	waitingFor     = text.New("Waiting: %v", "Esperando: %v")
	notReadyInTime = text.New("the lab was not ready within %s: %v", "o laboratório não ficou pronto em %s: %v")
)

// send and fetch
var (
	sendShort = text.New("Send a mail as a person of the lab would", "Envia uma mensagem como uma pessoa do laboratório")
	sendLong  = text.New(
		"Submits a mail from the sender's workstation: port 587 of the own organisation, STARTTLS, AUTH.\n"+
			"Prints the queue id and the Message-ID. When it fails, a number says in which step, as swaks counts them:\n"+
			"2 connect, 21 banner, 22 EHLO, 23 MAIL, 24 RCPT, 25 DATA, 26 end of the message, 28 AUTH, 29 TLS.\n"+
			"Where the server refuses some recipients, the mail goes to the others: both ids are printed, and who was\n"+
			"refused is said. Exit status 0 when it was taken for every recipient, 1 when not.",
		"Submete uma mensagem da estação de quem envia: porta 587 da própria organização, STARTTLS, AUTH.\n"+
			"Mostra o id da fila e o Message-ID. Se falhar, um número diz em que passo, como o swaks conta:\n"+
			"2 conexão, 21 saudação, 22 EHLO, 23 MAIL, 24 RCPT, 25 DATA, 26 fim da mensagem, 28 AUTH, 29 TLS.\n"+
			"Se o servidor recusa alguns destinatários, a mensagem vai para os outros: os dois ids são mostrados, e diz-se\n"+
			"quem foi recusado. Código de saída 0 se foi aceita para todos os destinatários, 1 se não.")
	sendFromFlag    = text.New("sender, a person of the lab", "remetente, uma pessoa do laboratório")
	sendToFlag      = text.New("recipient; may be given more than once, with an `ADDRESS` each", "destinatário; pode ser repetida, com um `ENDEREÇO` cada")
	sendSubjectFlag = text.New("subject", "assunto")
	sendBodyFlag    = text.New("text of the message", "texto da mensagem")
	sendEMLFlag     = text.New("send this whole message from a file (- for standard input)", "envia esta mensagem completa de um arquivo (- para a entrada padrão)")
	sendAuthFlag    = text.New("how to log in: plain, login, cram-md5, scram-sha-256, or `strongest`: of those that the server offers",
		"como autenticar: plain, login, cram-md5, scram-sha-256 ou `strongest`: o mais forte dos que o servidor oferece")
	noMechanism    = text.New("--auth %s: want one of %s", "--auth %s: use um destes: %s")
	sendNotifyFlag = text.New("ask for delivery reports: `WHEN` is never, or some of success,failure,delay (RFC 3461)",
		"pede relatórios de entrega: `QUANDO` é never, ou alguns de success,failure,delay (RFC 3461)")
	sendRetFlag   = text.New("what a report of failure returns: full (the message) or hdrs (its header)", "o que um relatório de falha devolve: full (a mensagem) ou hdrs (o cabeçalho)")
	sendEnvIDFlag = text.New("a name that reports repeat, up to 100 characters", "um nome que os relatórios repetem, até 100 caracteres")
	sendBadNotify = text.New("--notify takes never, or a list of success, failure and delay, not %q", "--notify aceita never, ou uma lista de success, failure e delay, não %q")
	sendBadRet    = text.New("--ret takes full or hdrs, not %q", "--ret aceita full ou hdrs, não %q")
	sendBadEnvID  = text.New("--envid takes up to 100 printable ASCII characters, not %q", "--envid aceita até 100 caracteres ASCII imprimíveis, não %q")
	sendWantsBoth = text.New("--from and --to are needed", "--from e --to são necessários")
	sendFailed    = text.New("failed in step %d (%s): %s", "falhou no passo %d (%s): %s")
	sendFailedFor = text.New("not sent to %s, failed in step %d (%s): %s", "não enviada a %s, falhou no passo %d (%s): %s")
	sendSome      = text.New("Sent to %s alone; do not send it there again. Its journey: correio trace %s",
		"Enviada só a %s; não envie de novo para lá. Sua jornada: correio trace %s")
	sendNext       = text.New("Sent. Its journey: correio trace %s", "Enviada. Sua jornada: correio trace %s")
	notAnAddress   = text.New("%q is not a mail address: %v", "%q não é um endereço de correio: %v")
	noWorkstation  = text.New("no workstation in %q; the lab has: %s", "não há estação em %q; o laboratório tem: %s")
	noWorkstations = text.New("the lab has no workstation", "o laboratório não tem estação de trabalho")

	fetchShort = text.New("Fetch a person's mail by POP3", "Busca as mensagens de uma pessoa por POP3")
	fetchLong  = text.New(
		"Fetches the mail of USER@ORG from the own organisation's workstation by POP3, octet for octet, and deletes\n"+
			"it from the server unless --keep is given. Writes an mbox to standard output, or one file each with -o.",
		"Busca as mensagens de USUÁRIO@ORG a partir da estação da própria organização por POP3, octeto por octeto, e\n"+
			"as apaga do servidor, a não ser com --keep. Escreve um mbox na saída padrão, ou um arquivo cada com -o.")
	fetchTLSFlag  = text.New("on port 995, in TLS from the start", "na porta 995, em TLS desde o início")
	fetchSTLSFlag = text.New("on port 110, TLS by STLS", "na porta 110, TLS por STLS")
	fetchAuthFlag = text.New("how to log in: `user` (USER and PASS), plain, cram-md5, scram-sha-256, or strongest: of those that the server offers",
		"como autenticar: `user` (USER e PASS), plain, cram-md5, scram-sha-256 ou strongest: o mais forte dos que o servidor oferece")
	fetchKeepFlag = text.New("leave the messages on the server", "deixa as mensagens no servidor")
	fetchOutFlag  = text.New("folder for one .eml file per message", "pasta para um arquivo .eml por mensagem")
	fetchFailed   = text.New("failed in step %s: %s", "falhou no passo %s: %s")
	fetched       = text.New("%d message(s) for %s", "%d mensagem(ns) para %s")
)

const (
	sendExample = "  correio send --from ana@aurora.test --to bruno@boreal.test --subject Hi --body 'It works.'\n" +
		"  correio send --from ana@aurora.test --to bruno@boreal.test --eml message.eml -v\n" +
		"  correio send --from ana@aurora.test --to bruno@boreal.test --notify success,failure --ret hdrs --envid aula-1"
	fetchExample = "  correio fetch bruno@boreal.test --keep\n  correio fetch bruno@boreal.test --tls -o inbox"
)

// talk, dig and trace
var (
	talkShort = text.New("Type at a server of the lab, as with telnet", "Digita num servidor do laboratório, como com telnet")
	talkLong  = text.New(
		"A line console: what is typed goes out with CRLF, what comes is printed. HOST is a name or an address of the\n"+
			"lab; the connection comes from a workstation there. It works in pipes. Certificates are shown, not required.",
		"Um console de linhas: o que se digita sai com CRLF, o que chega é mostrado. HOST é um nome ou endereço do\n"+
			"laboratório; a conexão parte de uma estação de lá. Funciona com pipes. Certificados são mostrados, não exigidos.")
	talkTLSFlag      = text.New("TLS from the start (465, 995)", "TLS desde o início (465, 995)")
	talkSTARTTLSFlag = text.New("TLS by STARTTLS (SMTP) or STLS (port 110) first", "antes, TLS por STARTTLS (SMTP) ou STLS (porta 110)")
	talkViaFlag      = text.New("workstation to connect from (default: the one on HOST's LAN, or the first); here: from this machine, without the lab's help", "estação de onde conectar (padrão: a da LAN de HOST, ou a primeira); here: desta máquina, sem ajuda do laboratório")
	talkConnected    = text.New("Connected to %s from %s.", "Conectado a %s a partir de %s.")
	talkSecured      = text.New("%s, %s. Certificate of %s (%s), signed by %s, until %s.", "%s, %s. Certificado de %s (%s), assinado por %s, até %s.")
	talkNotTrusted   = text.New("Note: a mail program would not trust it: %v", "Nota: um programa de correio não confiaria nele: %v")

	digShort = text.New("Ask a name server of the lab", "Pergunta a um servidor de nomes do laboratório")
	digLong  = text.New(
		"Asks the lab's resolver, or SERVER, from a workstation there, over TCP. TYPE is A when none is given.\n"+
			"--trace (or +trace) walks from the root to the answer; --short (or +short) prints the data alone.",
		"Pergunta ao resolvedor do laboratório, ou a SERVIDOR, de uma estação de lá, por TCP. TIPO é A se omitido.\n"+
			"--trace (ou +trace) anda da raiz até a resposta; --short (ou +short) mostra só os dados.")
	digReverseFlag = text.New("ask who has this `ADDRESS`: the PTR of its name below in-addr.arpa or ip6.arpa", "pergunta de quem é este `ENDEREÇO`: o PTR de seu nome sob in-addr.arpa ou ip6.arpa")
	digTraceFlag   = text.New("walk from the root", "anda a partir da raiz")
	digViaFlag     = text.New("workstation to ask from; here: from this machine (name @SERVER by its address)",
		"estação de onde perguntar; here: desta máquina (dê o endereço de @SERVIDOR)")
	digHereWantsServer = text.New("--via here asks a server that is named by its address, such as @198.18.0.8",
		"--via here pergunta a um servidor dado por endereço, como @198.18.0.8")
	digShortFlag   = text.New("the data of the answer alone", "só os dados da resposta")
	digBadQuestion = text.New("not a question: %v", "não é uma pergunta: %v")
	digFailed      = text.New("no answer about %s: %v", "sem resposta sobre %s: %v")
	digSilent      = text.New("no answer from %s: %v", "sem resposta de %s: %v")
	digNoServer    = text.New("no address for the server %s", "nenhum endereço para o servidor %s")
	noResolver     = text.New("the lab has no resolver", "o laboratório não tem resolvedor")

	traceShort = text.New("Show a message's journey through the lab", "Mostra a jornada de uma mensagem pelo laboratório")
	traceLong  = text.New(
		"Puts together what the nodes saw of a message: submission, DNS, SMTP, LMTP, mailbox, POP3, with the lines\n"+
			"spoken. --wait waits for delivered, bounced or any; exit status 4 when the time is up, 1 when it ended otherwise.",
		"Reúne o que os nós viram de uma mensagem: submissão, DNS, SMTP, LMTP, caixa, POP3, com as linhas ditas.\n"+
			"--wait espera por delivered, bounced ou any; código de saída 4 se o tempo acabou, 1 se terminou de outro modo.")
	traceLastFlag   = text.New("the newest message", "a mensagem mais nova")
	traceBriefFlag  = text.New("without the lines spoken", "sem as linhas ditas")
	traceWaitFlag   = text.New("wait for: delivered, bounced or any", "espera por: delivered, bounced ou any")
	traceWantsOne   = text.New("name a message by its Message-ID, or say --last", "indique uma mensagem pelo Message-ID, ou use --last")
	traceBadWait    = text.New("--wait takes delivered, bounced or any, not %q", "--wait aceita delivered, bounced ou any, não %q")
	traceTimedOut   = text.New("not %s within %s", "não foi %s em %s")
	traceNotOver    = text.New("not over within %s", "não terminou em %s")
	traceUnmet      = text.New("the message was %s, not %s", "a mensagem foi %s, não %s")
	traceBadTimeout = text.New("--timeout takes up to %s, not %s", "--timeout aceita até %s, não %s")
	traceNothing    = text.New("no message has been seen yet", "nenhuma mensagem foi vista ainda")
	traceUnseen     = text.New("no node has seen a message %s", "nenhum nó viu uma mensagem %s")
)

const (
	talkExample  = "  correio talk mx1.boreal.test 25\n  printf 'ehlo me\\nquit\\n' | correio talk mx1.boreal.test 25\n  correio talk mda.boreal.test 995 --tls"
	digExample   = "  correio dig boreal.test MX\n  correio dig --trace boreal.test MX\n  correio dig @ns.boreal.test mx1.boreal.test +short\n  correio dig -x 198.18.2.25"
	traceExample = "  correio trace --last\n  correio trace 1f0c@aurora.test --wait delivered --timeout 30s --json"
)

// codes
var (
	codesShort = text.New("Explain the reply codes of SMTP, and provoke them", "Explica os códigos de resposta do SMTP, e os provoca")
	codesLong  = text.New(
		"Without CODE: every reply code that the lab's servers say. With CODE: what it means, the enhanced codes that come\n"+
			"with it, what to do, and a dialogue that provokes it. --try plays the dialogue on the running lab, from a\n"+
			"workstation there; exit status 1 when the code did not come. No message is left behind.",
		"Sem CÓDIGO: todos os códigos de resposta que os servidores do laboratório dizem. Com CÓDIGO: o que significa, os\n"+
			"códigos estendidos que vêm com ele, o que fazer, e um diálogo que o provoca. --try faz o diálogo no laboratório\n"+
			"em execução, a partir de uma estação; código de saída 1 se o código não veio. Nenhuma mensagem fica para trás.")
	codesTryFlag   = text.New("provoke the code on the running lab and show the dialogue", "provoca o código no laboratório e mostra o diálogo")
	codesOrgFlag   = text.New("organisation whose server is asked (default: the lab's first)", "organização cujo servidor é usado (padrão: a primeira)")
	codesLoginFlag = text.New("`NAME:PASSWORD` where a recipe logs in (default: the organisation's first person, with their name as password)",
		"`NOME:SENHA` onde a receita se autentica (padrão: a primeira pessoa da organização, com o nome como senha)")
	codesHeader   = text.New("CODE\tMEANING\tWHERE", "CÓDIGO\tSIGNIFICADO\tONDE")
	codesReserved = text.New("Local parts that answer so at every organisation:", "Partes locais que respondem assim em toda organização:")
	codesUnknown  = text.New("the lab's servers never say %q; they say: %s", "os servidores do laboratório nunca dizem %q; eles dizem: %s")
	codesTryWhich = text.New("--try wants a code: correio codes 450 --try", "--try pede um código: correio codes 450 --try")
	codesNoRecipe = text.New("no dialogue with a server provokes %d", "nenhum diálogo com um servidor provoca o %d")
	codesNoMTA    = text.New("%s has no mail server", "%s não tem servidor de correio")
	codesSeen     = text.New("Seen here as", "Visto aqui como")
	codesAdvice   = text.New("What to do", "O que fazer")
	codesToGet    = text.New("To get %s: %s", "Para obter %s: %s")
	codesAgain    = text.New("... and the last line again, until it comes", "... e a última linha de novo, até vir")
	codesTryIt    = text.New("All at once on the running lab: correio codes %d --try", "Tudo de uma vez no laboratório: correio codes %d --try")
	codesFromTo   = text.New("%s from %s", "%s a partir de %s")
	codesCame     = text.New("%s came", "%s veio")
	codesOther    = text.New("%s did not come; the reply was: %s", "%s não veio; a resposta foi: %s")
	codesBroke    = text.New("%s did not come; the dialogue broke off: %v", "%s não veio; o diálogo se interrompeu: %v")
)

const codesExample = "  correio codes\n  correio codes 451\n  correio codes 5.7.1\n  correio codes 451 --try --org boreal.test"
