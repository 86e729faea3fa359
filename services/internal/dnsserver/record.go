package dnsserver

import (
	"fmt"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/dnstext"
	"correio/services/internal/event"
	"correio/services/internal/reason"
)

// recordRate bounds the event records for each second. A record costs as much
// as the answer; beyond this rate answers matter more than records, and what
// was not recorded is counted and said.
const recordRate = 1000

// recorder tells what was answered.
type recorder struct {
	events  *event.Log
	answers *prometheus.CounterVec
	drops   *prometheus.CounterVec

	mu     sync.Mutex // guards what follows
	second int64      // Unix time that spent belongs to
	spent  int
	missed uint64 // answers not recorded, and not yet said so
	codes  map[[2]string]prometheus.Counter
}

func newRecorder(events *event.Log, metrics prometheus.Registerer) (*recorder, error) {
	r := &recorder{
		events: events,
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dns_answers_total", Help: "Responses sent, by transport and response code.",
		}, []string{"proto", "rcode"}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dns_dropped_total", Help: "Messages that got no response, by reason.",
		}, []string{"reason"}),
		codes: map[[2]string]prometheus.Counter{},
	}
	if metrics == nil {
		return r, nil
	}
	for _, c := range []prometheus.Collector{r.answers, r.drops} {
		if err := metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return r, nil
}

// drop counts a message that gets no response.
func (r *recorder) drop(reason string) { r.drops.WithLabelValues(reason).Inc() }

// answered counts a response, and records it unless there are too many.
func (r *recorder) answered(req *Request, resp *dns.Msg) {
	now := time.Now()
	code, ok, missed := r.spend(now, req.Proto, resp.Rcode)
	code.Inc()
	if !ok {
		return
	}
	if missed > 0 {
		r.events.Append(event.Record{Time: now, Kind: event.KindDNS, Text: event.NotRecorded,
			Meta: event.M(event.Reason, reason.Encode(reason.New(reason.TooFastToTell, fmt.Sprint(missed), fmt.Sprint(recordRate))))})
	}
	text := ""
	if len(resp.Question) > 0 {
		text = dnstext.Question(resp.Question[0])
	}
	meta := event.M(event.Role, "server", event.ID, dnstext.ID(resp.Id), event.Proto, req.Proto,
		event.Local, req.Local.String(), event.Remote, req.Remote.String())
	meta = append(append(meta, dnstext.Meta(resp)...), req.Note...)
	r.events.Append(event.Record{Time: now, Conn: req.Conn, Kind: event.KindDNS, Dir: event.In, Text: text, Meta: meta})
}

// spend takes one record from this second's allowance. With it come the
// counter of the response and how many records were not taken before.
func (r *recorder) spend(now time.Time, proto string, rcode int) (code prometheus.Counter, ok bool, missed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{proto, dnstext.Rcode(rcode)}
	if code = r.codes[key]; code == nil {
		code = r.answers.WithLabelValues(key[0], key[1]) // our own codes: few
		r.codes[key] = code
	}
	if r.events == nil {
		return code, false, 0
	}
	if s := now.Unix(); s != r.second {
		r.second, r.spent = s, 0
	}
	if r.spent++; r.spent > recordRate {
		r.missed++
		return code, false, 0
	}
	missed, r.missed = r.missed, 0
	return code, true, missed
}
