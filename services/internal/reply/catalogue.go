package reply

import (
	"slices"

	"correio/services/internal/text"
)

// Entry explains one reply code.
type Entry struct {
	Code    int
	Meaning text.Text // in a few words
	Advice  text.Text // what whoever hears it should do
	RFC     string    // document and section
	// Enhanced are the enhanced codes (RFC 3463) that the lab's servers say with
	// it, in order. "" stands for none.
	Enhanced []Detail
	// Recipes provoke the code on a running lab, the plainest first. Without any,
	// it takes a server in trouble, or is said in the queue and in reports alone.
	Recipes []Recipe
}

// Detail is what an enhanced code adds.
type Detail struct {
	Code  string // "4.2.2"
	Means text.Text
}

// Catalogue lists every code that the lab's servers say, on the wire or in queue
// and reports, in order. It is the one
// table that page, command line, console and tests read.
func Catalogue() []Entry { return slices.Concat(done, temporary, permanent) }

// Find returns the entry of a code.
func Find(code int) (Entry, bool) {
	list := Catalogue()
	i := slices.IndexFunc(list, func(e Entry) bool { return e.Code == code })
	if i < 0 {
		return Entry{}, false
	}
	return list[i], true
}

// WithEnhanced returns the entries that an enhanced code ("5.7.1") comes with.
func WithEnhanced(code string) (list []Entry) {
	for _, e := range Catalogue() {
		if code != "" && slices.ContainsFunc(e.Enhanced, func(d Detail) bool { return d.Code == code }) {
			list = append(list, e)
		}
	}
	return list
}

// classes is RFC 5321 §4.2.1's first digit.
var classes = map[int]text.Text{
	2: text.New("2xx: done. The server has done what it was asked for.",
		"2xx: feito. O servidor fez o que lhe foi pedido."),
	3: text.New("3xx: go on. The server has understood and waits for more.",
		"3xx: continue. O servidor entendeu e espera o resto."),
	4: text.New("4xx: not now. The same command may work later: a mail server queues the message and tries again.",
		"4xx: agora não. O mesmo comando pode dar certo depois: um servidor guarda a mensagem na fila e tenta de novo."),
	5: text.New("5xx: no. Trying again without a change is of no use: a mail server gives the message back to its sender.",
		"5xx: não. Repetir sem mudar nada não adianta: um servidor devolve a mensagem ao remetente."),
}

// Class says what the first digit of the code means.
func (e Entry) Class() text.Text { return classes[e.Code/100] }
