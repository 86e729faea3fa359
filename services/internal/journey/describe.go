package journey

import (
	"cmp"
	"slices"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
)

// rank orders states by how far they are.
var rank = []State{Held, Quarantined, Queued, Deferred, Handed, Bounced, Dropped, Delivered}

// summary tells who sent what to whom, and what became of it, since the time
// started.
func (a *assembly) summary(started time.Time) Journey {
	j := Journey{Message: a.message, NoMessageID: a.seeds[0].Message == "", Started: started}
	var last *event.Record
	for _, r := range a.own() {
		switch {
		case r.Kind == event.KindStore && r.Text == event.Retrieved:
			j.Read = true
		case r.Kind == event.KindQueue && a.progress(&j, r), r.Kind == event.KindStore && r.Text == event.Stored:
			last = r
		}
	}
	j.Read = j.Read || slices.ContainsFunc(a.x.byMessage.m[a.message], func(r *event.Record) bool {
		return r.Kind == event.KindStore && r.Text == event.Retrieved
	})
	if len(j.Recipients) > 0 {
		least := slices.MinFunc(j.Recipients, func(x, y Recipient) int {
			return slices.Index(rank, x.State) - slices.Index(rank, y.State)
		})
		j.State = least.State
	}
	if last != nil {
		j.TookMS = j.since(last)
	}
	return j
}

// since tells how long after the beginning a record was made, in milliseconds.
func (j *Journey) since(r *event.Record) int64 { return max(0, r.Time.Sub(j.Started).Milliseconds()) }

// untold reports whether a failure was not told to the sender, as the record says
// why. A report about it may have gone to the postmaster.
func untold(r *event.Record) bool {
	return slices.ContainsFunc(reason.Parse(r.Meta.Get(event.Rules)),
		func(why reason.Reason) bool { return leavesUntold(why.Rule) })
}

// untried reports whether a record of a delay says that no attempt has been made.
func untried(r *event.Record) bool {
	return slices.ContainsFunc(reason.Parse(r.Meta.Get(event.Rules)), func(why reason.Reason) bool { return why.Rule == reason.DeadHost })
}

// leavesUntold reports whether by a rule nobody tells the sender.
func leavesUntold(rule reason.Rule) bool {
	return rule == reason.NotToBeTold || rule == reason.DoubleBounce || rule == reason.NobodyLeft
}

// own returns what queues and stores recorded of the message itself, not of a
// report about it, in order of time.
func (a *assembly) own() list {
	var own list
	for _, q := range a.queues.order {
		if a.queues.report[q] {
			continue
		}
		for _, r := range a.x.queue(q) {
			if r.Kind == event.KindQueue || r.Kind == event.KindStore {
				own = append(own, r)
			}
		}
	}
	return own.inOrder()
}

// states are what events of queues mean for the recipients that they name.
var states = map[string]State{
	event.Accepted: Queued, event.Deferred: Deferred, event.Bounced: Bounced, event.Delivered: Handed,
	event.Held: Held, event.Released: Queued, event.Dropped: Dropped,
}

// progress applies one queue record to the recipients it names, and reports
// whether it changed any.
func (a *assembly) progress(j *Journey, r *event.Record) bool {
	if r.Text == event.Quarantined {
		return j.stop(r)
	}
	if r.Text == event.Expanded {
		j.forget(r.Meta.Get(event.To)) // the mail is for those behind it
		return true
	}
	state := states[r.Text]
	if state == "" {
		return false
	}
	if r.Text == event.Accepted && j.From == "" {
		j.From = bare(r.Meta.Get(event.From))
	}
	if r.Text == event.Delivered {
		switch a.nextHop(r) {
		case hopQueue: // the next MTA tells how it goes on
			return false
		case hopStore:
			state = Delivered
		}
	}
	to, original := splitList(r.Meta.Get(event.To)), splitList(r.Meta.Get(event.Original))
	for i, address := range to {
		if len(original) == len(to) && original[i] != address {
			j.forget(original[i]) // it goes on under another name
			if !slices.Contains(original, address) {
				a.rename(original[i], address)
			}
		}
		j.set(Recipient{
			Address: address, Original: a.original[address], State: state, Node: r.Node, Reply: r.Meta.Get(event.Reply),
			TookMS: j.since(r), Untold: r.Text == event.Bounced && untold(r), Untried: r.Text == event.Deferred && untried(r),
		})
	}
	return true
}

// rename notes what the sender called a recipient that stands behind another one,
// which may itself stand behind one.
func (a *assembly) rename(from, to string) {
	if first := cmp.Or(a.original[from], from); first != to {
		a.original[to] = first
	}
}

// stop notes that a node has put the message into quarantine, and with it
// whatever of it was waiting there.
func (j *Journey) stop(r *event.Record) (changed bool) {
	for i, to := range j.Recipients {
		if to.Node == r.Node && !to.State.Over() && to.State != Handed {
			j.Recipients[i].State, j.Recipients[i].TookMS, changed = Quarantined, j.since(r), true
		}
	}
	return changed
}

func (j *Journey) set(to Recipient) {
	i := slices.IndexFunc(j.Recipients, func(known Recipient) bool { return known.Address == to.Address })
	if i < 0 {
		j.Recipients = append(j.Recipients, to)
		return
	}
	// Who is queued twice, for two of their names, failed once: one report is enough.
	to.Untold = to.Untold && (j.Recipients[i].State != Bounced || j.Recipients[i].Untold)
	j.Recipients[i] = to
}

func (j *Journey) forget(address string) {
	j.Recipients = slices.DeleteFunc(j.Recipients, func(r Recipient) bool { return r.Address == address })
}

type hop int

const (
	hopUnknown hop = iota
	hopQueue
	hopStore
)

// nextHop finds out what the next host's id, from the reply to a delivery, is
// at that host: an entry of its queue or of its store.
func (a *assembly) nextHop(r *event.Record) hop {
	next := r.Meta.Get(event.NextQueue)
	if next == "" {
		return hopUnknown
	}
	for _, key := range a.queues.order {
		if key.id != next || key.node == r.Node {
			continue
		}
		for _, there := range a.x.queue(key) {
			switch {
			case there.Kind == event.KindStore && there.Text == event.Stored:
				return hopStore
			case there.Kind == event.KindQueue && there.Text == event.Accepted:
				return hopQueue
			}
		}
	}
	return hopUnknown
}
