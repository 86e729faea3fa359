package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/node"
	"correio/services/observatory"
)

// Config says how a whole lab is run in this process.
type Config struct {
	Lab     *lab.Lab
	State   string // a directory; each node has one of its own name in it
	Speed   clock.Speed
	Net     network.Stack
	Version string
	Log     *slog.Logger
	Keys    string // the directory that tlsfiles.Write has filled
	// Listeners are the observatory's, which closes them in the end.
	Listeners observatory.Listeners
}

// Fleet is a lab's nodes. Each can be stopped and started alone.
type Fleet struct {
	cfg   Config
	slots map[string]*slot // by host name; the map does not change
	order []string
}

// State is how a node of a fleet is.
type State string

// The states of a node.
const (
	Stopped State = "stopped" // on request, or not started yet
	Running State = "running"
	Failed  State = "failed" // it ended by itself
)

// slot is the place of one node, running or not.
type slot struct {
	make func() (*Member, error)
	log  *slog.Logger

	starting sync.Mutex // held while the node is started or stopped

	mu     sync.Mutex // guards what follows
	state  State
	member *Member
	stop   context.CancelFunc
	done   chan struct{}
	err    error // why it failed
}

// stopWait bounds how long nodes have to stop when a start has failed.
const stopWait = 10 * time.Second

// ErrUnknownNode tells that the lab has no such node.
var ErrUnknownNode = errors.New("no such node")

// NewFleet prepares the nodes and starts none.
func NewFleet(cfg Config) (*Fleet, error) {
	f := &Fleet{cfg: cfg, slots: map[string]*slot{}}
	for _, org := range cfg.Lab.Orgs {
		for _, host := range org.Hosts {
			spec := Spec{
				Org: org, Host: host, State: filepath.Join(cfg.State, host.Name), Speed: cfg.Speed,
				Net: cfg.Net, Version: cfg.Version, Log: cfg.Log.With("node", host.Name),
			}
			if err := spec.LoadKeys(filepath.Join(cfg.Keys, filepath.Base(org.Dir))); err != nil {
				return nil, err
			}
			f.add(host.Name, spec.Log, spec.maker())
		}
	}
	if err := f.addObservatory(); err != nil {
		return nil, err
	}
	return f, nil
}

// maker makes the node whenever it is started: at first of the lab that was
// loaded, and of its folder as it is by then afterwards, so that stopping and
// starting a node reads its org.yaml as restarting a container does. It is
// called with slot.starting held.
func (s Spec) maker() func() (*Member, error) {
	again := false
	return func() (*Member, error) {
		if again {
			org, err := lab.LoadOrg(s.Org.Dir)
			if err != nil {
				return nil, fmt.Errorf("node %s: %w", s.Host.Name, err)
			}
			host, ok := org.Host(s.Host.Name)
			if !ok {
				return nil, fmt.Errorf("node %s: %s does not have it any more", s.Host.Name, org.Dir)
			}
			s.Org, s.Host = org, host
		}
		again = true
		return New(s)
	}
}

func (f *Fleet) add(name string, log *slog.Logger, create func() (*Member, error)) {
	f.slots[name] = &slot{state: Stopped, make: create, log: log}
	f.order = append(f.order, name)
}

// Dir is the lab directory that the nodes read.
func (f *Fleet) Dir() string { return f.cfg.Lab.Dir }

// StartAll starts every node. On an error those that were started are stopped.
func (f *Fleet) StartAll(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, len(f.order))
	for i, name := range f.order {
		all.Go(func() { errs[i] = f.Start(ctx, name) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
		defer cancel()
		return errors.Join(err, f.StopAll(stopping))
	}
	return nil
}

// Start starts one node; starting one that runs does nothing. The node runs
// until Stop, whatever becomes of the context.
func (f *Fleet) Start(ctx context.Context, name string) error {
	s, ok := f.slots[name]
	if !ok {
		return fmt.Errorf("start %q: %w", name, ErrUnknownNode)
	}
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.running() {
		return nil
	}
	member, err := s.make()
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	s.mu.Lock()
	s.state, s.member, s.stop, s.done, s.err = Running, member, stop, done, nil
	s.mu.Unlock()
	go func() {
		defer close(done)
		s.ended(run, member.Run(run))
	}()
	return nil
}

// ended notes how a node's run ended.
func (s *slot) ended(run context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.err = Stopped, err
	if run.Err() == nil || err != nil {
		s.state = Failed
		s.err = cmpErr(err, errors.New("the node ended by itself"))
		s.log.Error("node failed", "error", s.err)
	}
}

func cmpErr(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

func (s *slot) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == Running
}

// Stop stops one node and waits until it has ended, at most as long as the
// context allows. Stopping one that does not run does nothing.
func (f *Fleet) Stop(ctx context.Context, name string) error {
	s, ok := f.slots[name]
	if !ok {
		return fmt.Errorf("stop %q: %w", name, ErrUnknownNode)
	}
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	stop, done := s.stop, s.done
	s.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", name, ctx.Err())
	}
}

// StopAll stops every node, all at the same time.
func (f *Fleet) StopAll(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, len(f.order))
	for i, name := range f.order {
		all.Go(func() { errs[i] = f.Stop(ctx, name) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// State tells how a node is; the error says why it failed.
func (f *Fleet) State(name string) (State, error) {
	s, ok := f.slots[name]
	if !ok {
		return "", fmt.Errorf("state of %q: %w", name, ErrUnknownNode)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.err
}

// Service returns the service of a node that runs.
func (f *Fleet) Service(name string) (node.Service, bool) {
	s, ok := f.slots[name]
	if !ok {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != Running {
		return nil, false
	}
	return s.member.Service, true
}

// WaitReady waits until every node that runs is ready. It returns early when
// one has failed; when the context ends it names those that are not ready.
func (f *Fleet) WaitReady(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting, err := f.notReady()
		if err != nil || waiting == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), waiting)
		}
	}
}

func (f *Fleet) notReady() (waiting, failed error) {
	var all []error
	for _, name := range f.order {
		state, err := f.State(name)
		if state == Failed {
			return nil, err
		}
		svc, ok := f.Service(name)
		if !ok {
			continue
		}
		if err := svc.Ready(); err != nil {
			all = append(all, fmt.Errorf("%s is not ready: %w", name, err))
		}
	}
	return errors.Join(all...), nil
}
