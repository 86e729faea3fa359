package fleet

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/clock"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/tlsfiles"
	"correio/services/observatory"
)

// ObservatorySpec says how the observatory is made.
type ObservatorySpec struct {
	Lab        *lab.Lab
	Speed      clock.Speed
	Net        network.Stack
	Token      string
	Version    string
	Log        *slog.Logger
	Listeners  observatory.Listeners
	Bind       netip.Addr // see observatory.Config
	Supervisor observatory.Supervisor
	Process    bool // see Spec
}

// NewObservatory makes the node that watches the others.
func NewObservatory(spec ObservatorySpec) (*Member, error) {
	own := Spec{
		Host: lab.Host{Name: spec.Lab.Observatory.Name, Role: lab.RoleObservatory, Control: spec.Lab.Observatory.Control},
		Net:  spec.Net, Speed: spec.Speed, Version: spec.Version, Log: spec.Log, Keys: Keys{Token: spec.Token}, Process: spec.Process,
	}
	registry := own.registry()
	events := event.NewLog(own.Host.Name, observatory.LogBytes)
	svc, err := observatory.New(observatory.Config{
		Lab: spec.Lab, Token: spec.Token, Version: spec.Version, Speed: spec.Speed, Net: spec.Net,
		Events: events, Log: spec.Log, Metrics: registry,
		Listeners: spec.Listeners, Bind: spec.Bind, Supervisor: spec.Supervisor,
	})
	if err != nil {
		return nil, err
	}
	return newMember(own, svc, events, registry), nil
}

// registry makes the node's own, so that many fit into one process.
func (s *Spec) registry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	if s.Process {
		registry.MustRegister(processCollectors()...)
	}
	return registry
}

// addObservatory makes a place for the observatory of the fleet, which
// supervises the others.
func (f *Fleet) addObservatory() error {
	_, _, token, err := tlsfiles.Load(filepath.Join(f.cfg.Keys, tlsfiles.ObservatoryDir), f.cfg.Lab.Observatory.Name)
	if err != nil {
		return fmt.Errorf("observatory: %w", err)
	}
	name := f.cfg.Lab.Observatory.Name
	log := f.cfg.Log.With("node", name)
	f.add(name, log, func() (*Member, error) {
		return NewObservatory(ObservatorySpec{
			Lab: f.cfg.Lab, Speed: f.cfg.Speed, Net: f.cfg.Net, Token: token, Version: f.cfg.Version, Log: log,
			Listeners: f.cfg.Listeners, Supervisor: f,
		})
	})
	return nil
}
