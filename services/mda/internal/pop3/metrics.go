package pop3

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what sessions do. A nil Metrics counts nothing.
type Metrics struct {
	open    prometheus.Gauge
	logins  *prometheus.CounterVec
	actions *prometheus.CounterVec
}

// NewMetrics registers the counters.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "correio_pop3_sessions", Help: "POP3 sessions that are open.",
		}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "correio_pop3_logins_total", Help: "POP3 logins tried, by result.",
		}, []string{"result"}),
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "correio_pop3_messages_total", Help: "Messages retrieved or deleted by POP3.",
		}, []string{"action"}),
	}
	reg.MustRegister(m.open, m.logins, m.actions)
	return m
}

func (m *Metrics) sessions(change float64) {
	if m != nil {
		m.open.Add(change)
	}
}

func (m *Metrics) login(ok bool) {
	result := "refused"
	if ok {
		result = "accepted"
	}
	if m != nil {
		m.logins.WithLabelValues(result).Inc()
	}
}

func (m *Metrics) retrieved() {
	if m != nil {
		m.actions.WithLabelValues("retrieved").Inc()
	}
}

func (m *Metrics) deleted(n int) {
	if m != nil {
		m.actions.WithLabelValues("deleted").Add(float64(n))
	}
}
