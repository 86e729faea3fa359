package labrun

import "correio/services/internal/text"

var (
	pageTaken = text.New(
		"%s is taken, perhaps by another lab: choose another address for the page with --http, such as --http 127.0.0.1:8081",
		"%s já está em uso, talvez por outro laboratório: escolha outro endereço para a página com --http, por exemplo --http 127.0.0.1:8081")
	userPortTaken = text.New(
		"%s is taken, perhaps by another lab: stop what listens there, or run without the user ports with --ports off",
		"%s já está em uso, talvez por outro laboratório: pare o que escuta ali, ou rode sem as portas de usuário com --ports off")
	cannotListen = text.New("cannot listen on %s: %v", "não consigo escutar em %s: %v")
	stateInUse   = text.New(
		"another lab uses the state directory %s: stop it, or choose another one with --state",
		"outro laboratório usa o diretório de estado %s: pare-o, ou escolha outro com --state")
	notReady = text.New("the lab did not become ready: %v", "o laboratório não ficou pronto: %v")

	running = text.New(
		"The lab is running: %[1]d nodes.\n"+
			"  page            %[2]s\n"+
			"  by hand         %[3]s\n"+
			"  first mail      correio send --lab %[2]s --from ana@aurora.test --to bruno@boreal.test\n"+
			"  its journey     correio trace --lab %[2]s --last\n"+
			"Everyone's password is their name. Ctrl-C ends the lab.",
		"O laboratório está rodando: %[1]d nós.\n"+
			"  página          %[2]s\n"+
			"  à mão           %[3]s\n"+
			"  um envio        correio send --lab %[2]s --from ana@aurora.test --to bruno@boreal.test\n"+
			"  sua jornada     correio trace --lab %[2]s --last\n"+
			"A senha de cada pessoa é o nome dela. Ctrl-C encerra o laboratório.")
	byTelnet = text.New("telnet 127.0.0.1 1025 (SMTP of aurora), 1110 (POP3)", "telnet 127.0.0.1 1025 (SMTP da aurora), 1110 (POP3)")
	byTalk   = text.New("correio talk --lab %s mx1.boreal.test 25", "correio talk --lab %s mx1.boreal.test 25")
	stopping = text.New("Stopping.", "Encerrando.")
	caution  = text.New("note: %v", "nota: %v")
)
