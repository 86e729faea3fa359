package lmtp

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what became of recipients. A nil Metrics counts nothing.
type Metrics struct {
	copies  prometheus.Counter
	octets  prometheus.Counter
	refusal *prometheus.CounterVec
}

// NewMetrics registers the counters.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		copies: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "correio_mda_stored_total", Help: "Copies put into mailboxes.",
		}),
		octets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "correio_mda_stored_octets_total", Help: "Octets of copies put into mailboxes.",
		}),
		refusal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "correio_mda_refused_total", Help: "Recipients refused, by reason.",
		}, []string{"reason"}),
	}
	reg.MustRegister(m.copies, m.octets, m.refusal)
	return m
}

func (m *Metrics) stored(size int64) {
	if m != nil {
		m.copies.Inc()
		m.octets.Add(float64(size))
	}
}

func (m *Metrics) refused(reason string) {
	if m != nil {
		m.refusal.WithLabelValues(reason).Inc()
	}
}
