package main

import "correio/services/internal/text"

// queue
var (
	queueShort = text.New("Show what waits in the queues of the MTAs, and change it", "Mostra o que espera nas filas dos MTAs, e as altera")
	queueLong  = text.New(
		"Lists the messages that wait, oldest first, of every MTA, of one HOST or of an organisation. A message is\n"+
			"active before its first attempt has ended, deferred afterwards, held when somebody has put it aside, quarantined\n"+
			"when somebody must look at it. A destination that has not answered several times in a row is dead: one message at\n"+
			"a time probes whether it is back, and NEXT of the others is that probe, though their own TRIES may be 0. An MTA\n"+
			"that somebody has stopped is named; exit status 0 all the same, 1 when another one does not answer, or none does.",
		"Lista as mensagens que esperam, a mais antiga primeiro, de todos os MTAs, de um HOST ou de uma organização. Uma\n"+
			"mensagem está ativa (active) antes do fim da primeira tentativa, adiada (deferred) depois, retida (held) se\n"+
			"alguém a reteve, em quarentena (quarantined) se alguém precisa olhar; --state e --json usam os nomes em inglês.\n"+
			"Um destino que não respondeu várias vezes seguidas está morto: uma mensagem por vez sonda se ele voltou, e a\n"+
			"PRÓXIMA das outras é essa sonda, ainda que suas TENTATIVAS sejam 0. Um MTA que alguém parou é indicado; mesmo\n"+
			"assim o código de saída é 0, e 1 se outro não responde, ou se nenhum responde.")
	queueDomainFlag     = text.New("only what waits for this `DOMAIN`", "só o que espera por este `DOMÍNIO`")
	queueStateFlag      = text.New("only this `STATE`: active, deferred, held or quarantined", "só este `ESTADO`: active (ativa), deferred (adiada), held (retida) ou quarantined (em quarentena)")
	queueLimitFlag      = text.New("how many messages of each MTA", "quantas mensagens de cada MTA")
	queueNodeFlag       = text.New("only this MTA or organisation, `HOST` or ORG (default: all)", "só este MTA ou organização, `HOST` ou ORG (padrão: todos)")
	queueAllFlag        = text.New("everything that waits", "tudo o que espera")
	queueHeader         = text.New("ID\tAGE\tSIZE\tFROM\tTO\tTRIES\tNEXT\tSTATE\tLAST REPLY", "ID\tIDADE\tTAMANHO\tDE\tPARA\tTENTATIVAS\tPRÓXIMA\tESTADO\tÚLTIMA RESPOSTA")
	queueNodeColumn     = text.New("NODE", "NÓ")
	queueNow            = text.New("now", "agora")
	queueIn             = text.New("in %s", "em %s")
	queueProbe          = text.New("probe %s", "sondagem %s")
	queueActive         = text.New("active", "ativa")
	queueMore           = text.New("+%d", "+%d")
	queueShown          = text.New("%s: %d of %d messages are shown; --limit shows more", "%s: %d de %d mensagens mostradas; --limit mostra mais")
	queueEmpty          = text.New("Nothing waits.", "Nada espera.")
	queueEmptyElsewhere = text.New("Nothing waits at the others.", "Nada espera nos outros.")
	queueDead           = text.New("%s: %s has been dead for %s, %s: %s", "%s: %s está morto há %s, %s: %s")
	queueNextProbe      = text.New("next probe %s", "próxima sondagem %s")
	queueProbing        = text.New("a probe is under way", "há uma sondagem em curso")
	queueSilent         = text.New("%s: %v", "%s: %v")
	queueNoMTA          = text.New("%q is no MTA and no organisation with one; there are: %s", "%q não é um MTA nem uma organização com um; existem: %s")
	queueBadLimit       = text.New("--limit takes a number from 1 to %d, not %d", "--limit aceita um número de 1 a %d, não %d")
	queueBadState       = text.New("--state takes active, deferred, held or quarantined, not %q", "--state aceita active, deferred, held ou quarantined, não %q")
	queueWantsOne       = text.New("name messages by their ids, or say --domain DOMAIN, or --all: one of these", "indique mensagens pelos ids, ou use --domain DOMÍNIO, ou --all: um destes")
	queueNoID           = text.New("an id is empty: a message is named as the list shows it, such as 2674201B7D3C", "um id está vazio: uma mensagem se indica como na lista, por exemplo 2674201B7D3C")
	queueNotThere       = text.New("no MTA asked has a message %s in its queue", "nenhum MTA consultado tem uma mensagem %s na fila")
	queueSome           = text.New("%d of %d MTAs did not answer", "%d de %d MTAs não responderam")

	queueShowShort = text.New("Show one queued message: recipients, attempts, header", "Mostra uma mensagem da fila: destinatários, tentativas, cabeçalho")
	queueShowText  = text.New(
		"%s at %s\n  Message-ID  %s\n  from        %s\n  arrived     %s (%s ago)\n  size        %d octets\n  state       %s\n",
		"%s em %s\n  Message-ID  %s\n  de          %s\n  chegou      %s (há %s)\n  tamanho     %d octetos\n  estado      %s\n")
	queueShowRcpt    = text.New("  to          %s: %s, %s%s\n", "  para        %s: %s, %s%s\n")
	queueShowTries   = text.New("%d attempt(s)", "%d tentativa(s)")
	queueShowUntried = text.New("not tried yet", "ainda não tentada")
	queueShowNext    = text.New("next %s", "próxima %s")
	queueShowRunning = text.New("an attempt is under way", "há uma tentativa em curso")
	queueShowParked  = text.New("waits for a probe of its dead destination, %s", "espera por uma sondagem do seu destino morto, %s")
	queueShowHeld    = text.New(", held", ", retido")
	queueShowUntil   = text.New(", kept until %s", ", guardado até %s")
	queueShowDead    = text.New(", its destination is dead", ", seu destino está morto")

	queueRetryShort   = text.New("Try messages now; a dead destination is probed", "Tenta mensagens agora; um destino morto é sondado")
	queueHoldShort    = text.New("Put messages aside: they are not attempted until release", "Retém mensagens: não são tentadas até release")
	queueReleaseShort = text.New("Let messages go on that are held or in quarantine, and try them now",
		"Libera mensagens retidas ou em quarentena, e as tenta agora")
	queueDropShort = text.New("Remove messages; the senders are not told", "Remove mensagens; os remetentes não são avisados")
	queueDone      = map[string]text.Text{
		"retry":   text.New("%s: %d message(s) tried now", "%s: %d mensagem(ns) tentada(s) agora"),
		"hold":    text.New("%s: %d message(s) held", "%s: %d mensagem(ns) retida(s)"),
		"release": text.New("%s: %d message(s) released", "%s: %d mensagem(ns) liberada(s)"),
		"drop":    text.New("%s: %d message(s) dropped", "%s: %d mensagem(ns) removida(s)"),
	}
	// queueDoneBefore are orders about one message that have changed nothing.
	queueDoneBefore = map[string]text.Text{
		"hold":    text.New("%s: %s was held already", "%s: %s já estava retida"),
		"release": text.New("%s: %s was neither held nor in quarantine", "%s: %s não estava retida nem em quarentena"),
	}
	// queueParked ends the line about a retry that probes the dead.
	queueParked = text.New("; waiting for the probe of a dead destination: %d", "; à espera da sondagem de um destino morto: %d")
	// queueAside ends the line about a retry that left some alone.
	queueAside = text.New("; held or in quarantine, so not tried: %d", "; retida(s) ou em quarentena, portanto não tentada(s): %d")
	// queueAlready ends the line about an order that found messages as it wanted them.
	queueAlready = map[string]text.Text{
		"hold":    text.New("; held already: %d", "; já retida(s) antes: %d"),
		"release": text.New("; neither held nor in quarantine: %d", "; nem retida(s) nem em quarentena: %d"),
	}
)

const (
	queueExample     = "  correio queue\n  correio queue aurora.test --domain closed.casos.test\n  correio queue show 2674201B7D3C\n  correio queue retry --domain boreal.test\n  correio queue hold 2674201B7D3C"
	queueShowExample = "  correio queue show 2674201B7D3C\n  correio queue show 2674201B7D3C --node mx1.aurora.test --json"
)
