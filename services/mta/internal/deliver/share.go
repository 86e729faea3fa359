package deliver

import (
	"errors"
	"slices"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
)

// share parts up to most recipients from the others, for one transaction. Those
// who need SMTPUTF8 go by themselves to a host that does not offer it: the others
// can have the message. Who is queued twice goes along twice: in two transactions
// it would be two copies, so only a mailbox with more names than most exceeds it.
func (a *attempt) share(all []int, most int, utf8 bool) (to, rest []int) {
	if len(all) == 1 {
		return all, nil
	}
	plain := func(i int) bool { return a.entry.Rcpts[i].To.ASCII() }
	names := map[mailaddr.Address]int{}
	for _, i := range all {
		names[a.entry.Rcpts[i].To]++
	}
	room, goes := most, map[mailaddr.Address]bool{}
	for _, i := range all {
		who := a.entry.Rcpts[i].To
		fits := len(to) == 0 || names[who] <= room && (utf8 || plain(i) == plain(to[0]))
		if fits && !goes[who] {
			goes[who] = true
			room -= names[who]
		}
		if goes[who] {
			to = append(to, i)
		} else {
			rest = append(rest, i)
		}
	}
	return to, rest
}

// tooMany tells who of a transaction was one too many for the host, by their
// places: they are to follow in another one at once. RFC 5321 §4.5.3.1.10: the
// reply is 452, and 552 means the same; both may also be about the mailbox, which
// the enhanced code tells apart, or else the next transaction will. There is none
// unless this one got on: the host took the message for somebody.
func tooMany(results []smtpc.Result) map[int]bool {
	surplus, taken := map[int]bool{}, 0
	for k, r := range results {
		switch code := r.Reply.Code; {
		case r.Delivered():
			taken++
		case r.Step != smtpc.StepRcpt || r.Err != nil || r.Own || code != 452 && code != 552:
		case r.Reply.Enhanced == reply.Enhanced{} || r.Reply.Enhanced[1] == 5 && r.Reply.Enhanced[2] == 3: // X.5.3
			surplus[k] = true
		}
	}
	if taken == 0 {
		return nil
	}
	return surplus
}

// cutOff tells who of a transaction got no answer of their own, as the host ended the
// dialogue before the message was through: by 421, as Postfix does behind 20 refusals,
// by closing, or by silence. Whoever had heard 250 to RCPT is among them.
//
// They are named again at once, on a new connection, when others had their answer on
// this one. At the next attempt it would come to the same: the same recipients, in
// the same order. So it takes no more connections than one for each recipient would,
// and nothing to remember from one attempt to the next. A host that has answered
// about nobody wants to be left alone.
func cutOff(to []int, results []smtpc.Result) (unheard []int) {
	for k, r := range results {
		early := r.Step == smtpc.StepMail || r.Step == smtpc.StepRcpt || r.Step == smtpc.StepData
		if early && (r.Reply.Code == 421 || r.Err != nil && !errors.Is(r.Err, smtpc.ErrSource)) {
			unheard = append(unheard, to[k])
		}
	}
	return unheard
}

// once leaves out who is queued a second time, for what the sender wants to hear
// under another name. A host that is told of that gets a RCPT for each name.
func (a *attempt) once(c *smtpc.Client, t target, to []int) []int {
	if hears(c, t) {
		return to
	}
	var once []int
	for _, i := range to {
		if a.among(once, i) < 0 {
			once = append(once, i)
		}
	}
	return once
}

// otherName gives who is queued twice, and was refused by one name, the result of
// the other by which the host has taken the message: it would be a second copy,
// or a report of a failure that was none. It tells who they are, by their places
// in the transaction; of their name the host has heard no wishes.
func (a *attempt) otherName(to []int, results []smtpc.Result) map[int]bool {
	if len(to) == 1 {
		return nil
	}
	has := map[mailaddr.Address]smtpc.Result{}
	for k, i := range to {
		if results[k].Delivered() {
			has[a.entry.Rcpts[i].To] = results[k]
		}
	}
	others := map[int]bool{}
	for k, i := range to {
		if r, ok := has[a.entry.Rcpts[i].To]; ok && !results[k].Delivered() {
			results[k], others[k] = r, true
		}
	}
	return others
}

// among finds a recipient's address among those of others; -1 when it is not there.
func (a *attempt) among(others []int, i int) int {
	return slices.IndexFunc(others, func(k int) bool { return a.entry.Rcpts[k].To == a.entry.Rcpts[i].To })
}
