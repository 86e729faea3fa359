package reason

import (
	"maps"
	"slices"

	"correio/services/internal/text"
)

// The rules of a route (RFC 5321 §5.1), in the order in which they are applied.
const (
	NotAnIDN       Rule = "not-an-idn"
	ALabels        Rule = "a-labels"
	Literal        Rule = "literal"
	Alias          Rule = "alias"
	NoSuchDomain   Rule = "no-such-domain"
	LookupFailed   Rule = "lookup-failed"
	LookupTimeout  Rule = "lookup-timeout"
	LookupRefused  Rule = "lookup-refused"
	HostsUnknown   Rule = "hosts-unknown"
	Implicit       Rule = "implicit-mx"
	NoAddress      Rule = "no-address"
	NullMX         Rule = "null-mx"
	Sorted         Rule = "sorted"
	Shuffled       Rule = "shuffled"
	IsSelf         Rule = "self"
	NotBetter      Rule = "not-better-than-self"
	Loop           Rule = "loop"
	Final          Rule = "final"
	PassedBy       Rule = "next-host"
	BetterGone     Rule = "better-mx-without-address"
	Local          Rule = "local"
	NotAHostName   Rule = "not-a-host-name"
	TargetAlias    Rule = "mx-is-alias"
	OtherFamily    Rule = "no-address-family"
	AddressFailed  Rule = "address-lookup-failed"
	AddressTimeout Rule = "address-lookup-timeout"
	AddressRefused Rule = "address-lookup-refused"
	NoHostAddress  Rule = "host-has-no-address"
	NoSuchHost     Rule = "no-such-host"
	Unusable       Rule = "no-usable-mx"
	Capped         Rule = "capped"
	LookupsCapped  Rule = "lookups-capped"
)

// The rules of what became of a message.
const (
	RetryIn        Rule = "retry-in"
	NotBefore      Rule = "retry-not-before"
	ProbeIn        Rule = "probe-in"
	ProbeRuns      Rule = "probe-under-way"
	StillDead      Rule = "still-dead"
	ReportedBy     Rule = "reported-by"
	MasterTold     Rule = "postmaster-told"
	DeadHost       Rule = "dead-destination"
	ClearNotFinal  Rule = "clear-not-final"
	DoubleBounce   Rule = "double-bounce"
	NobodyLeft     Rule = "nobody-left"
	NotToBeTold    Rule = "not-to-be-told"
	PostmasterAway Rule = "postmaster-not-told"
	Unreadable     Rule = "unreadable"
)

// The rules of what a damaged file still held.
const (
	Salvaged          Rule = "salvaged"
	SalvagedInPart    Rule = "salvaged-in-part"
	NotSalvaged       Rule = "not-salvaged"
	BodyDamaged       Rule = "body-damaged"
	RecipientsDamaged Rule = "recipients-damaged"
)

// The rules of aliases and lists.
const (
	StandsFor  Rule = "stands-for"
	NewSender  Rule = "new-sender"
	KeptSender Rule = "kept-sender"
	ListSender Rule = "list-sender"
)

// The notes between the lines of a dialogue.
const (
	TLSUp       Rule = "tls"
	TLSFailed   Rule = "tls-failed"
	Cached      Rule = "cached"
	Asks        Rule = "asks"
	AsksSilent  Rule = "asks-silent"
	AsksRefused Rule = "asks-refused"
	AsksNoWay   Rule = "asks-unreachable"
	AsksBroken  Rule = "asks-broken"
	Silent      Rule = "silent"
	Refuses     Rule = "refused"
	NoWay       Rule = "unreachable"
	Unanswered  Rule = "unanswered"
	CutShort    Rule = "cut-short"
	Stray       Rule = "stray"
	Mismatch    Rule = "mismatch"
)

// What is unusual about what a client did (event.Note).
const (
	NoBrackets     Rule = "no-brackets"
	EarlyTalk      Rule = "early-talk"
	TLSInPlain     Rule = "tls-in-plain"
	BehindStartTLS Rule = "behind-starttls"
	InClear        Rule = "in-clear"
	Smuggled       Rule = "smuggled"
	EndUnseen      Rule = "end-unseen"
	GivenUp        Rule = "given-up"
	Spoiled        Rule = "spoiled"
	LFAlone        Rule = "lf-alone"
	BareBecameCRLF Rule = "bare-became-crlf"
)

// What stands in a dialogue in place of lines that are not shown, or that were
// none (event.Summary).
const (
	MessageSize   Rule = "message-size"
	OctetsDropped Rule = "octets"
	LineTooLong   Rule = "line-too-long"
	LineEndless   Rule = "line-without-end"
	TLSHello      Rule = "tls-hello"
	MoreLines     Rule = "more-lines"
	LinesNotShown Rule = "lines-not-shown"
)

// Why a connection, a session or a node ended (event.Reason), and why TLS did not
// come about.
const (
	Quit            Rule = "quit"
	Closed          Rule = "closed"
	ClientGone      Rule = "client-gone"
	Idle            Rule = "idle"
	NodeStopping    Rule = "stopping"
	ClosedByReply   Rule = "closed-by-reply"
	NoMessageEnd    Rule = "message-without-end"
	NoLineEnd       Rule = "no-line-end"
	TooMany         Rule = "too-many-connections"
	TooManyGone     Rule = "too-many-connections-gone"
	TooManyLogins   Rule = "too-many-logins"
	TooManyBad      Rule = "too-many-bad-commands"
	OurFault        Rule = "internal-error"
	HandshakeFailed Rule = "handshake-failed"
	TunnelEnded     Rule = "tunnel-ended"

	InStep       Rule = "in-step"
	Replied      Rule = "replied"
	Broken       Rule = "broken"
	Cause        Rule = "cause"
	ReplyTooLong Rule = "reply-too-long"
	NotSMTP      Rule = "reply-not-smtp"
	NotPOP3      Rule = "not-pop3"
	TooLarge     Rule = "too-large"
	OutOfPlace   Rule = "out-of-place"
	SourceFailed Rule = "source-failed"
	NoMechanism  Rule = "no-mechanism"
	NotInClear   Rule = "not-in-clear"
	Injected     Rule = "injected"
	TLSSilent    Rule = "tls-silent"
	TLSBroken    Rule = "tls-broken"

	ZoneRefused   Rule = "zone-refused"
	SerialSame    Rule = "serial-same"
	SerialBack    Rule = "serial-back"
	TooFastToTell Rule = "too-fast-to-tell"
)

// Whether a certificate vouches for a name (event.Verified).
const (
	Yes       Rule = "yes"
	No        Rule = "no"
	NotLooked Rule = "not-looked"
)

// What a report tells (event.Reason of a report that an MTA accepts), in the
// words of RFC 3464 §2.3.3.
const (
	TellsFailed    Rule = "failed"
	TellsDelayed   Rule = "delayed"
	TellsDelivered Rule = "delivered"
	TellsRelayed   Rule = "relayed"
	TellsExpanded  Rule = "expanded"
	CopyToMaster   Rule = "postmaster-copy"
)

// More stands for reasons that are left out.
const More Rule = "more"

// Rules lists every rule there is, by name.
func Rules() []Rule { return slices.Sorted(maps.Keys(texts)) }

// Params is how many arguments a rule's text speaks of.
func Params(r Rule) int { return texts[r].Params() }

var texts = map[Rule]text.Text{
	NotAnIDN:      text.New("%s is no valid internationalised domain name (RFC 5891)", "%s não é um nome de domínio internacionalizado válido (RFC 5891)"),
	ALabels:       text.New("%s is %s in DNS (RFC 5890)", "%s é %s no DNS (RFC 5890)"),
	Literal:       text.New("%s is an address literal: no MX is asked for", "%s é um endereço literal: não se pergunta MX"),
	Alias:         text.New("%s is an alias for %s", "%s é um apelido (CNAME) de %s"),
	NoSuchDomain:  text.New("%s does not exist (NXDOMAIN)", "%s não existe (NXDOMAIN)"),
	LookupFailed:  text.New("no answer for now about %s: %s", "sem resposta por enquanto sobre %s: %s"),
	LookupTimeout: text.New("no answer for now about %s: the resolver did not answer in time", "sem resposta por enquanto sobre %s: o resolvedor não respondeu a tempo"),
	LookupRefused: text.New("no answer for now about %s: nothing listens at the resolver's port", "sem resposta por enquanto sobre %s: nada escuta na porta do resolvedor"),
	HostsUnknown:  text.New("the addresses of the mail hosts of %s could not be found out for now", "os endereços dos servidores de correio de %s não puderam ser descobertos por enquanto"),
	Implicit:      text.New("%s has no MX record: the domain itself is its mail host (RFC 5321 §5.1)", "%s não tem registro MX: o próprio domínio é seu servidor de correio (RFC 5321 §5.1)"),
	NoAddress:     text.New("%s has no address either", "%s também não tem endereço"),
	NullMX:        text.New(`%s says by "MX 0 ." that it takes no mail (RFC 7505)`, `%s diz com "MX 0 ." que não recebe correio (RFC 7505)`),
	Sorted:        text.New("MX of %s by preference: %s", "MX de %s por preferência: %s"),
	Shuffled:      text.New("%s hosts of preference %s, shuffled: %s first", "%s servidores de preferência %s, sorteados: %s primeiro"),
	IsSelf:        text.New("%s (preference %s) is this host", "%s (preferência %s) é este servidor"),
	NotBetter:     text.New("%s dropped: preference %s is not better than our own, %s", "%s descartado: a preferência %s não é melhor que a nossa, %s"),
	Loop:          text.New("no host is left for %s: the mail would come back here", "não sobra servidor para %s: o correio voltaria para cá"),
	Final:         text.New("no host is named before this one for %s, a domain of this site: to the mailboxes by LMTP", "nenhum servidor vem antes deste para %s, um domínio deste site: para as caixas postais, por LMTP"),
	PassedBy:      text.New("%s could not take it (%s): on to the next host", "%s não pôde recebê-la (%s): segue para o próximo servidor"),
	BetterGone:    text.New("the mail hosts of %s that are better than this one have no address", "os servidores de correio de %s que são melhores que este não têm endereço"),
	Local:         text.New("%s is a domain of this site: to the mailboxes by LMTP", "%s é um domínio deste site: para as caixas postais, por LMTP"),

	NotAHostName:   text.New("%s dropped: an MX record must name a host, not an address", "%s descartado: um registro MX deve nomear um servidor, não um endereço"),
	TargetAlias:    text.New("warning: the MX names %s, which is an alias for %s (RFC 2181 §10.3 forbids it)", "aviso: o MX nomeia %s, que é um apelido de %s (a RFC 2181 §10.3 proíbe)"),
	OtherFamily:    text.New("%s dropped: it has only addresses of an IP version that this host lacks", "%s descartado: só tem endereços de uma versão de IP que este servidor não tem"),
	AddressFailed:  text.New("%s left out for now: its address could not be found out: %s", "%s deixado de lado por enquanto: seu endereço não pôde ser descoberto: %s"),
	AddressTimeout: text.New("%s left out for now: the resolver did not tell its address in time", "%s deixado de lado por enquanto: o resolvedor não disse seu endereço a tempo"),
	AddressRefused: text.New("%s left out for now: nothing listens at the port of the resolver that knows its address", "%s deixado de lado por enquanto: nada escuta na porta do resolvedor que sabe seu endereço"),
	NoHostAddress:  text.New("%s dropped: it has no address", "%s descartado: não tem endereço"),
	NoSuchHost:     text.New("%s dropped: there is no such name (NXDOMAIN)", "%s descartado: esse nome não existe (NXDOMAIN)"),
	Unusable:       text.New("none of the MX records of %s is of use, and its own address must not be tried then", "nenhum dos registros MX de %s serve, e então não se tenta o endereço do próprio domínio"),
	Capped:         text.New("not more than %s hosts are tried at a time", "não mais que %s servidores são tentados de cada vez"),
	LookupsCapped:  text.New("the addresses of further hosts are not asked for: %s at a time are the most", "não se perguntam os endereços dos demais servidores: %s de cada vez são o máximo"),

	RetryIn:        text.New("next attempt in %s", "próxima tentativa em %s"),
	MasterTold:     text.New("the postmaster is told by the report %s", "o postmaster fica sabendo pelo relatório %s"),
	ReportedBy:     text.New("the sender is told by the report %s", "o remetente fica sabendo pelo relatório %s"),
	NotBefore:      text.New("next attempt in %s at the earliest, or once a probe gets through", "próxima tentativa daqui a %s, no mínimo, ou assim que uma sondagem tiver sucesso"),
	ProbeIn:        text.New("next probe in %s", "próxima sondagem em %s"),
	ProbeRuns:      text.New("a probe is under way", "há uma sondagem em curso"),
	StillDead:      text.New("%s has been dead since %s UTC: one message at a time probes it, the others wait for that", "%s está morto desde %s UTC: uma mensagem por vez o sonda, as outras esperam por isso"),
	DeadHost:       text.New("not tried yet: %s has been dead since %s UTC; one message at a time probes it, and this one waits for that", "ainda não tentada: %s está morto desde %s UTC; uma mensagem por vez o sonda, e esta espera por isso"),
	ClearNotFinal:  text.New("TLS with %s failed, so what keeps it from taking the message in clear is not final", "o TLS com %s falhou, por isso o que o impede de receber a mensagem em texto claro não é definitivo"),
	DoubleBounce:   text.New("double bounce: the message has no sender, so the postmaster is told", "devolução dupla: a mensagem não tem remetente, então o postmaster é avisado"),
	NobodyLeft:     text.New("double bounce: there is nobody left to tell, so the message is kept in quarantine", "devolução dupla: não sobra a quem avisar, então a mensagem fica em quarentena"),
	NotToBeTold:    text.New("the sender asked not to be told (NOTIFY)", "o remetente pediu para não ser avisado (NOTIFY)"),
	PostmasterAway: text.New("double bounce that %s did not get: %s", "devolução dupla que %s não recebeu: %s"),
	Unreadable:     text.New("the message cannot be read: %s", "a mensagem não pode ser lida: %s"),

	Salvaged:          text.New("%s was damaged; it is kept, and %s messages that could be read of it go on in a new one", "%s estava danificado; está guardado, e %s mensagens que puderam ser lidas dele seguem num novo"),
	SalvagedInPart:    text.New("of %s messages only a part could be read", "de %s mensagens só uma parte pôde ser lida"),
	NotSalvaged:       text.New("at least %s messages could not be read", "pelo menos %s mensagens não puderam ser lidas"),
	BodyDamaged:       text.New("the file of the queue was damaged, and the message cannot be read", "o arquivo da fila estava danificado, e a mensagem não pode ser lida"),
	RecipientsDamaged: text.New("the file of the queue was damaged, and the recipients cannot be read", "o arquivo da fila estava danificado, e os destinatários não podem ser lidos"),

	StandsFor:  text.New("%s stands for %s", "%s representa %s"),
	NewSender:  text.New("to another organisation in our own name, so that reports come back by us: %s (SRS)", "a outra organização em nosso próprio nome, para que os relatórios voltem por nós: %s (SRS)"),
	KeptSender: text.New("to another organisation with the sender as it is: %s", "a outra organização com o remetente como está: %s"),
	ListSender: text.New("in the list's name: reports go to its owner, %s", "em nome da lista: os relatórios vão ao dono, %s"),

	TLSUp:       text.New("encrypted from here on: %s", "cifrado daqui em diante: %s"),
	TLSFailed:   text.New("TLS failed: %s", "o TLS falhou: %s"),
	Cached:      text.New("from the resolver's cache", "do cache do resolvedor"),
	Asks:        text.New("%s asks %s: %s → %s", "%s pergunta a %s: %s → %s"),
	AsksSilent:  text.New("%s asks %s: %s → no answer in time", "%s pergunta a %s: %s → sem resposta a tempo"),
	AsksRefused: text.New("%s asks %s: %s → nothing listens there", "%s pergunta a %s: %s → nada escuta ali"),
	AsksNoWay:   text.New("%s asks %s: %s → there is no way there", "%s pergunta a %s: %s → não há caminho até lá"),
	AsksBroken:  text.New("%s asks %s: %s → the other end ended the connection", "%s pergunta a %s: %s → a outra ponta encerrou a conexão"),
	Silent:      text.New("no answer in time", "sem resposta a tempo"),
	Refuses:     text.New("nothing listens there", "nada escuta ali"),
	NoWay:       text.New("there is no way there", "não há caminho até lá"),
	Unanswered:  text.New("no answer: %s", "sem resposta: %s"),

	CutShort: text.New("cut short on this side", "interrompida deste lado"),
	Stray:    text.New("too many responses that do not match the question", "respostas demais que não correspondem à pergunta"),
	Mismatch: text.New("the response does not match the question", "a resposta não corresponde à pergunta"),

	NoBrackets:     text.New("address without angle brackets", "endereço sem < e >"),
	EarlyTalk:      text.New("the client spoke before the greeting", "o cliente falou antes da saudação"),
	TLSInPlain:     text.New("TLS on a plain-text port", "TLS numa porta de texto claro"),
	BehindStartTLS: text.New("sent in plain text behind STARTTLS: dropped", "enviado em texto claro depois do STARTTLS: descartado"),
	InClear:        text.New("without TLS", "sem TLS"),
	Smuggled:       text.New("ended by something else than CRLF.CRLF: what follows is smuggled past stricter servers", "terminada por algo que não é CRLF.CRLF: o que vem depois passa escondido por servidores mais rigorosos"),
	EndUnseen:      text.New("the end of the message was not seen", "o fim da mensagem não foi visto"),
	GivenUp:        text.New("the client gave the message up between two chunks", "o cliente desistiu da mensagem entre dois blocos"),
	Spoiled:        text.New("the message cannot be accepted: %s", "a mensagem não pode ser aceita: %s"),
	LFAlone:        text.New("lines ended in LF alone, as nc sends them; stored with CRLF", "as linhas terminavam só em LF, como o nc as envia; guardada com CRLF"),
	BareBecameCRLF: text.New("a CR or LF of its own became CRLF", "um CR ou LF avulso virou CRLF"),

	MessageSize:   text.New("(message: %s octets)", "(mensagem: %s octetos)"),
	OctetsDropped: text.New("(%s octets)", "(%s octetos)"),
	LineTooLong:   text.New("(line too long)", "(linha longa demais)"),
	LineEndless:   text.New("(line without end)", "(linha sem fim)"),
	TLSHello:      text.New("(TLS ClientHello: %s octets so far)", "(ClientHello de TLS: %s octetos até agora)"),
	MoreLines:     text.New("(%s more lines)", "(mais %s linhas)"),
	LinesNotShown: text.New("(more lines are not shown)", "(há mais linhas, que não são mostradas)"),

	Quit:            text.New("quit", "despedida (QUIT)"),
	Closed:          text.New("closed", "fechada deste lado"),
	ClientGone:      text.New("closed by the client", "fechada pelo cliente"),
	Idle:            text.New("idle for too long", "parada por tempo demais"),
	NodeStopping:    text.New("the node is stopping", "o nó está parando"),
	ClosedByReply:   text.New("closed by the reply", "fechada pela resposta"),
	NoMessageEnd:    text.New("message without end", "mensagem sem fim"),
	NoLineEnd:       text.New("line without end", "linha sem fim"),
	TooMany:         text.New("too many connections", "conexões demais"),
	TooManyGone:     text.New("too many connections, and gone", "conexões demais, e já se foi"),
	TooManyLogins:   text.New("too many failed logins", "logins recusados demais"),
	TooManyBad:      text.New("too many bad commands", "comandos errados demais"),
	OurFault:        text.New("internal error", "erro interno"),
	HandshakeFailed: text.New("TLS handshake failed", "o TLS não se estabeleceu"),
	TunnelEnded:     text.New("tunnel ended", "fim do túnel"),

	InStep:       text.New("in step %s", "no passo %s"),
	Replied:      text.New("the server replied %s", "o servidor respondeu %s"),
	Broken:       text.New("the other end ended the connection", "a outra ponta encerrou a conexão"),
	Cause:        text.New("error: %s", "erro: %s"),
	ReplyTooLong: text.New("reply is too long", "a resposta é longa demais"),
	NotSMTP:      text.New("reply is not SMTP", "a resposta não é SMTP"),
	NotPOP3:      text.New("the server does not speak POP3", "o servidor não fala POP3"),
	TooLarge:     text.New("message or listing too large", "mensagem ou lista grande demais"),
	OutOfPlace:   text.New("reply is out of place", "a resposta está fora de lugar"),
	SourceFailed: text.New("read the message", "ao ler a mensagem"),
	NoMechanism:  text.New("the server offers no way to log in that may be used here", "o servidor não oferece um modo de login que possa ser usado aqui"),
	NotInClear:   text.New("the password is not sent without TLS", "a senha não é enviada sem TLS"),
	Injected:     text.New("octets in clear behind the reply to %s", "octetos em texto claro depois da resposta a %s"),
	TLSSilent:    text.New("TLS failed: no answer in time", "o TLS falhou: sem resposta a tempo"),
	TLSBroken:    text.New("TLS failed: the other end ended the connection", "o TLS falhou: a outra ponta encerrou a conexão"),

	ZoneRefused:   text.New("the zone is refused: %s", "a zona é recusada: %s"),
	SerialSame:    text.New("the zone changed, but its serial is still %s: secondaries will not see the change", "a zona mudou, mas seu número de série continua %s: os secundários não verão a mudança"),
	SerialBack:    text.New("the serial went back from %s to %s: secondaries will not see the change", "o número de série voltou de %s a %s: os secundários não verão a mudança"),
	TooFastToTell: text.New("%s answers came faster than %s a second", "%s respostas vieram mais rápido que %s por segundo"),

	Yes:       text.New("yes", "sim"),
	No:        text.New("no", "não"),
	NotLooked: text.New("whoever made the connection did not look", "quem fez a conexão não verificou"),

	TellsFailed:    text.New("tells of a failure", "avisa de uma falha"),
	TellsDelayed:   text.New("tells of a delay", "avisa de um atraso"),
	TellsDelivered: text.New("tells of the delivery", "avisa da entrega"),
	TellsRelayed:   text.New("tells that a host without DSN has it", "avisa que um servidor sem DSN a tem"),
	TellsExpanded:  text.New("tells that it went on to others", "avisa que segue para outros"),
	CopyToMaster:   text.New("copy to the postmaster", "cópia ao postmaster"),

	More: text.New("%s more decisions are not listed", "mais %s decisões não estão na lista"),
}
