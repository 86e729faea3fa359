// Package metrics counts what an MTA does, in the words of a mail log.
package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the counters of one MTA.
type Metrics struct {
	// Accepted counts messages by the protocol that brought them, "report"
	// for our own.
	Accepted *prometheus.CounterVec
	// Rejected counts refused commands by reason, see package policy.
	Rejected *prometheus.CounterVec
	// Delivered counts recipients by the protocol of the next hop.
	Delivered *prometheus.CounterVec
	Deferred  prometheus.Counter // recipients, once for each attempt
	Bounced   prometheus.Counter // recipients
}

// New registers the counters.
func New(reg prometheus.Registerer) (*Metrics, error) {
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "correio", Subsystem: "mta", Name: name, Help: help}, []string{label})
	}
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "correio", Subsystem: "mta", Name: name, Help: help})
	}
	m := &Metrics{
		Accepted:  vec("accepted_total", "Messages taken into the queue.", "proto"),
		Rejected:  vec("rejected_total", "Commands refused by policy.", "reason"),
		Delivered: vec("delivered_total", "Recipients handed to the next hop.", "proto"),
		Deferred:  one("deferred_total", "Recipients kept for a later attempt."),
		Bounced:   one("bounced_total", "Recipients given up."),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.Accepted, m.Rejected, m.Delivered, m.Deferred, m.Bounced} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// RegisterQueue shows the queue's size, which read tells.
func RegisterQueue(reg prometheus.Registerer, read func() (messages, octets, oldestSeconds float64)) error {
	return reg.Register(queueCollector{read})
}

var (
	messagesDesc = prometheus.NewDesc("correio_mta_queue_messages", "Messages in the queue.", nil, nil)
	octetsDesc   = prometheus.NewDesc("correio_mta_queue_octets", "Octets in the queue.", nil, nil)
	oldestDesc   = prometheus.NewDesc("correio_mta_queue_oldest_seconds", "Age of the oldest message, in the lab's time.", nil, nil)
)

type queueCollector struct {
	read func() (messages, octets, oldestSeconds float64)
}

// Describe implements prometheus.Collector.
func (queueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- messagesDesc
	ch <- octetsDesc
	ch <- oldestDesc
}

// Collect implements prometheus.Collector.
func (c queueCollector) Collect(ch chan<- prometheus.Metric) {
	messages, octets, oldest := c.read()
	ch <- prometheus.MustNewConstMetric(messagesDesc, prometheus.GaugeValue, messages)
	ch <- prometheus.MustNewConstMetric(octetsDesc, prometheus.GaugeValue, octets)
	ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, oldest)
}
