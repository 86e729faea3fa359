package problem

import "correio/services/internal/text"

// Problems of nodes and of the ways to them.
const (
	NoSuchNode      Code = "no-such-node"
	NodeUnreachable Code = "node-unreachable"
	NotSupervised   Code = "not-supervised"
	NotAWorkstation Code = "not-a-workstation"
	Starting        Code = "starting"
	Stopped         Code = "stopped"
	NotAskedYet     Code = "not-asked-yet"
	ZoneRefused     Code = "zone-refused"
	WrongToken      Code = "wrong-token"
	Busy            Code = "busy"
)

// Problems of connections that somebody asked for.
const (
	BadTarget       Code = "bad-target"
	NotAHostName    Code = "not-a-host-name"
	NoSuchHost      Code = "no-such-host"
	NoHostAddress   Code = "no-host-address"
	NoCable         Code = "no-cable"
	ResolverFailed  Code = "resolver-failed"
	ResolverSilent  Code = "resolver-silent"
	ConnectRefused  Code = "connect-refused"
	ConnectTimeout  Code = "connect-timeout"
	ConnectNoWay    Code = "connect-unreachable"
	ConnectBroken   Code = "connect-broken"
	ConnectFailed   Code = "connect-failed"
	TunnelByUpgrade Code = "tunnel-by-upgrade"
)

// Problems of what was asked for.
const (
	NoSuchAddress     Code = "no-such-address"
	NotANumber        Code = "not-a-number"
	BadTimeout        Code = "bad-timeout"
	BadWait           Code = "bad-wait"
	TooLarge          Code = "too-large"
	BadRequest        Code = "bad-request"
	NotAMailAddress   Code = "not-a-mail-address"
	NoRecipient       Code = "no-recipient"
	TooManyRecipients Code = "too-many-recipients"
	BadValue          Code = "bad-value"
	OneOf             Code = "one-of"
	NotOfThisSite     Code = "not-of-this-site"
	NoSuchPerson      Code = "no-such-person"
	BadName           Code = "bad-name"
	NoMTA             Code = "no-mta"
	NoMDA             Code = "no-mda"
	OtherName         Code = "other-name"
	HeaderMissing     Code = "header-missing"
	OtherSite         Code = "other-site"
)

// Problems of messages.
const (
	NotQueued    Code = "not-queued"
	NotInList    Code = "not-in-list"
	OrderNames   Code = "order-names"
	MessageHeld  Code = "message-held"
	Unseen       Code = "unseen"
	UnseenWithin Code = "unseen-within"
	EndedAs      Code = "ended-as"
	StillNot     Code = "still-not"
)

var texts = map[Code]text.Text{
	NoSuchNode:      text.New("the lab has no node %s", "o laboratório não tem o nó %s"),
	NodeUnreachable: text.New("%s does not answer on the control network", "%s não responde na rede de controle"),
	NotSupervised: text.New("the observatory cannot stop or start nodes of this lab: ask the container engine (docker compose stop, start)",
		"o observatório não pode parar nem iniciar nós deste laboratório: peça ao Docker (docker compose stop, start)"),
	NotAWorkstation: text.New("%s is no workstation of the lab", "%s não é uma estação do laboratório"),
	Starting:        text.New("starting", "iniciando"),
	Stopped:         text.New("stopped on request", "parado a pedido"),
	NotAskedYet:     text.New("not asked yet", "ainda não consultado"),
	ZoneRefused:     text.New("zone %s: %s", "zona %s: %s"),
	WrongToken:      text.New("the lab's token is missing or wrong", "o token do laboratório falta ou está errado"),
	Busy:            text.New("%s such requests are open already", "já há %s pedidos assim em aberto"),

	BadTarget:       text.New("%s is not HOST:PORT", "%s não é HOST:PORTA"),
	NotAHostName:    text.New("%s is not a host name", "%s não é um nome de host"),
	NoSuchHost:      text.New("there is no host %s (NXDOMAIN)", "não existe o host %s (NXDOMAIN)"),
	NoHostAddress:   text.New("%s has no address", "%s não tem endereço"),
	NoCable:         text.New("%s is neither on the Internet nor on the LAN of %s", "%s não está nem na Internet nem na LAN de %s"),
	ResolverFailed:  text.New("the resolver could not tell the address of %s: %s", "o resolvedor não soube dizer o endereço de %s: %s"),
	ResolverSilent:  text.New("the address of %s is not known, for the resolver %s does not answer", "não se sabe o endereço de %s, pois o resolvedor %s não responde"),
	ConnectRefused:  text.New("nothing listens at %s", "nada escuta em %s"),
	ConnectTimeout:  text.New("no answer from %s in time", "sem resposta de %s a tempo"),
	ConnectNoWay:    text.New("there is no way to %s", "não há caminho até %s"),
	ConnectBroken:   text.New("%s ended the connection without a word", "%s encerrou a conexão sem dizer nada"),
	ConnectFailed:   text.New("cannot connect to %s: %s", "não foi possível conectar a %s: %s"),
	TunnelByUpgrade: text.New("tunnels are opened at %s, with the header Upgrade: %s", "túneis se abrem em %s, com o cabeçalho Upgrade: %s"),

	NoSuchAddress:     text.New("no such address: %s", "esse endereço não existe: %s"),
	NotANumber:        text.New("%s must be a number from 1 to %s", "%s deve ser um número de 1 a %s"),
	BadTimeout:        text.New("timeout must be a duration up to %s, such as 30s", "timeout deve ser uma duração até %s, como 30s"),
	BadWait:           text.New("wait must be one of %s", "wait deve ser um de %s"),
	TooLarge:          text.New("the request is larger than %s octets", "o pedido tem mais de %s octetos"),
	BadRequest:        text.New("the request cannot be read: %s", "o pedido não pode ser lido: %s"),
	NotAMailAddress:   text.New("%s: %s is not a mail address", "%s: %s não é um endereço de correio"),
	NoRecipient:       text.New("nobody is named to send to", "ninguém foi indicado como destinatário"),
	TooManyRecipients: text.New("more than %s recipients", "mais de %s destinatários"),
	BadValue:          text.New("%s cannot be %s", "%s não pode ser %s"),
	OneOf:             text.New("%s is %s; it can be one of %s", "%s é %s; pode ser um de %s"),
	NotOfThisSite:     text.New("%s is not an address of %s", "%s não é um endereço de %s"),
	NoSuchPerson:      text.New("there is no %s at %s", "não há %s em %s"),
	BadName:           text.New("control characters in name or password", "caracteres de controle no nome ou na senha"),
	NoMTA:             text.New("%s has no MTA to submit to", "%s não tem MTA para submeter"),
	NoMDA:             text.New("%s has no MDA to fetch from", "%s não tem MDA de onde buscar"),
	OtherName:         text.New("this lab does not go by the name %s", "este laboratório não atende pelo nome %s"),
	HeaderMissing:     text.New("requests that change something need the header %s: 1", "pedidos que mudam algo precisam do cabeçalho %s: 1"),
	OtherSite:         text.New("another site's page may not use the lab", "a página de outro site não pode usar o laboratório"),

	NotQueued: text.New("no message %s is queued here", "nenhuma mensagem %s está na fila aqui"),
	NotInList: text.New("the list cannot go on behind %s, which is not queued any more: begin anew, or where next said",
		"a lista não pode continuar depois de %s, que já não está na fila: recomece, ou onde next indicou"),
	OrderNames:   text.New("an order names one of id, domain and all: %s", "uma ordem indica um destes: id, domain ou all: %s"),
	MessageHeld:  text.New("the message %s is held: release it first", "a mensagem %s está retida: libere-a antes (release)"),
	Unseen:       text.New("no node has seen this message", "nenhum nó viu esta mensagem"),
	UnseenWithin: text.New("no node has seen this message within %s", "nenhum nó viu esta mensagem em %s"),
	EndedAs:      text.New("the message was %s", "a mensagem ficou assim: %s"),
	StillNot:     text.New("after %s the message is still %s", "depois de %s a mensagem ainda está assim: %s"),
}
