package labrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/fleet"
	"correio/services/correio/internal/sandbox"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/text"
	"correio/services/internal/tlsfiles"
	"correio/services/observatory"
)

const (
	// readyWait bounds the start of the whole lab.
	readyWait = 30 * time.Second
	// stopWait bounds its end, where state is kept.
	stopWait = 15 * time.Second
)

// InnerPage is where the observatory listens inside, for programs there.
var InnerPage = netip.MustParseAddrPort("127.0.0.1:8080")

// Inside is the inner process: it returns the exit status.
func Inside(ctx context.Context, stderr io.Writer) (int, error) {
	var p plan
	inner, err := sandbox.Inside(&p)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // until the process ends
		<-inner.Stop
		cancel()
	}()
	r := &runner{plan: &p, inner: inner, stderr: stderr}
	status, err := r.run(ctx)
	var speaks interface{ In(text.Lang) string }
	if errors.As(err, &speaks) {
		// The inner process alone knows the language of the outer one.
		err = errors.New(speaks.In(p.Lang))
	}
	return status, err
}

type runner struct {
	*plan
	inner  *sandbox.Inner
	stderr io.Writer
	lab    *lab.Lab
}

func (r *runner) run(ctx context.Context) (int, error) {
	var err error
	if r.lab, err = lab.Load(r.Dir); err != nil {
		return 0, err
	}
	warnings, err := World(r.lab, r.MountPoint).Build()
	if err != nil {
		return 0, err
	}
	for i := range warnings {
		r.say(caution, &warnings[i])
	}
	state := r.State
	if state == "" {
		state = filepath.Join(r.MountPoint, "lab")
	}
	f, err := r.start(ctx, state)
	if err != nil {
		return 0, err
	}
	status, err := 0, error(nil)
	if len(r.Command) > 0 {
		status, err = r.inner.Command(r.Command, r.environment(state))
	} else {
		r.welcome()
		<-ctx.Done()
		r.say(stopping)
	}
	if r.State != "" {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
		defer cancel()
		return status, errors.Join(err, f.StopAll(stopCtx))
	}
	// Nothing of this lab outlives the process: the kernel is the fastest to stop.
	return status, err
}

// World is the world of a lab: its nodes' addresses and networks.
func World(l *lab.Lab, mountPoint string) *sandbox.World {
	w := &sandbox.World{MountPoint: mountPoint, Addresses: []netip.Addr{l.Observatory.Control}}
	add := func(p netip.Prefix) {
		if p.IsValid() && !slices.Contains(w.Networks, p.Masked()) {
			w.Networks = append(w.Networks, p.Masked())
		}
	}
	for _, org := range l.Orgs {
		add(org.Networks.Internet)
		add(org.Networks.LAN)
		add(org.Networks.Control)
		if !w.Resolver.IsValid() && org.Domain != "" {
			w.Resolver = org.Resolver
		}
		for _, h := range org.Hosts {
			for _, a := range []netip.Addr{h.Internet, h.LAN, h.Control} {
				if a.IsValid() && !slices.Contains(w.Addresses, a) {
					w.Addresses = append(w.Addresses, a)
				}
			}
		}
	}
	w.Visitor = visitor(l, w.Addresses)
	return w
}

// visitor returns an address on the backbone for programs that are no node of
// the lab: the last one of the first organisation's network that nobody has.
func visitor(l *lab.Lab, taken []netip.Addr) netip.Addr {
	for _, org := range l.Orgs {
		if !org.Networks.Internet.IsValid() || !org.Networks.Internet.Addr().Is4() {
			continue
		}
		base := org.Networks.Internet.Masked().Addr().As4()
		for last := byte(200); last > 100; last-- {
			if a := netip.AddrFrom4([4]byte{base[0], base[1], base[2], last}); !slices.Contains(taken, a) {
				return a
			}
		}
	}
	return netip.Addr{}
}

// start makes the keys, starts every node and waits until all are ready.
func (r *runner) start(ctx context.Context, state string) (*fleet.Fleet, error) {
	keys := filepath.Join(state, "keys")
	if err := tlsfiles.Write(r.lab, keys); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	log, err := r.logger(state)
	if err != nil {
		return nil, err
	}
	listeners, err := r.listeners(ctx)
	if err != nil {
		return nil, err
	}
	f, err := fleet.NewFleet(fleet.Config{
		Lab: r.lab, State: filepath.Join(state, "nodes"), Speed: r.Speed, Net: network.System{}, Version: r.Version, Log: log,
		Keys: keys, Listeners: listeners,
	})
	if err != nil {
		return nil, err
	}
	if err := f.StartAll(ctx); err != nil {
		return nil, err
	}
	waitCtx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	if err := f.WaitReady(waitCtx); err != nil {
		return nil, text.Errorf(notReady, err)
	}
	// The observatory has its own eyes: who asks it must hear the same.
	api, err := client.New(InnerPage.String())
	if err != nil {
		return nil, err
	}
	defer api.Close()
	if err := api.WaitReady(waitCtx, 2*time.Millisecond, func(error) {}); err != nil {
		return nil, text.Errorf(notReady, err)
	}
	return f, nil
}

// listeners returns those that were inherited, and the page's inside.
func (r *runner) listeners(ctx context.Context) (observatory.Listeners, error) {
	ln, err := network.System{}.Listen(ctx, InnerPage)
	if err != nil {
		return observatory.Listeners{}, fmt.Errorf("page inside: %w", err)
	}
	all := observatory.Listeners{Page: []net.Listener{ln}, User: map[int]net.Listener{}}
	files := r.inner.Files
	if r.Page {
		ln, err := takeOver(files[0])
		if err != nil {
			return all, err
		}
		files = files[1:]
		all.Page = append(all.Page, ln)
	}
	for i, port := range r.UserPorts {
		if all.User[port], err = takeOver(files[i]); err != nil {
			return all, err
		}
	}
	return all, nil
}

func takeOver(f *os.File) (net.Listener, error) {
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take listener over: %w", err)
	}
	return ln, nil
}

// logger writes to the file that was given, or one in the state directory;
// errors, which somebody should act on, go to standard error as well, and with
// --verbose everything does.
func (r *runner) logger(state string) (*slog.Logger, error) {
	var file *os.File
	if r.Log {
		file = r.inner.Files[len(r.inner.Files)-1]
	} else {
		var err error
		file, err = os.OpenFile(r.logFile(state), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("log file: %w", err)
		}
	}
	level := slog.LevelError
	if r.Verbose {
		level = slog.LevelInfo
	}
	return slog.New(fleet.Tee(
		slog.NewJSONHandler(file, nil),
		slog.NewTextHandler(r.stderr, &slog.HandlerOptions{Level: level}),
	)), nil
}

func (r *runner) logFile(state string) string { return filepath.Join(state, "nodes.log") }

// environment is what the command finds besides its own.
func (r *runner) environment(state string) []string {
	return append(slices.Clone(r.Env),
		"CORREIO_LAB=http://"+InnerPage.String(),
		"CORREIO_CA="+filepath.Join(state, "keys", tlsfiles.AuthorityDir, tlsfiles.CAFile),
		"CORREIO_DIR="+r.Dir,
	)
}

// welcome says where things are. The observatory is not counted as a node: it is
// who counts them, in `status` and on the page.
func (r *runner) welcome() {
	nodes := 0
	for _, org := range r.lab.Orgs {
		nodes += len(org.Hosts)
	}
	byHand := byTalk.Sprintf(r.Lang, r.PageURL)
	if len(r.UserPorts) > 0 {
		byHand = byTelnet.In(r.Lang)
	}
	r.say(running, nodes, r.PageURL, byHand)
}

func (r *runner) say(t text.Text, args ...any) {
	fmt.Fprintln(r.stderr, t.Sprintf(r.Lang, args...))
}
