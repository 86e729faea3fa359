package authdns

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"correio/services/authdns/internal/zone"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/node"
	"correio/services/internal/reason"
	"correio/services/internal/zonefile"
)

const (
	// pollEvery is how often the files are looked at.
	pollEvery = time.Second
	// settle is how long a changed file must stay as it is before it is read
	// for good, so that nobody is served half of what an editor writes.
	settle = 30 * time.Millisecond
	// racy is the age below which a file's time of change proves nothing: it
	// may have been written again within the same tick of the clock.
	racy = 2 * time.Second
)

// loader reads zone files and publishes a new set after every change. It is
// used by New, and then by watch alone.
type loader struct {
	env     *node.Env
	publish func(*set)
	files   []*file
}

// file is one zone of org.yaml and what is known of its file.
type file struct {
	lab.Zone
	path string

	seen    os.FileInfo       // when it was read
	sum     [sha256.Size]byte // of the content that was judged last
	readErr string            // why it could not be read
	read    bool              // sum or readErr is set
	served  *zone.Zone
	status  Status
}

func newLoader(env *node.Env, publish func(*set)) *loader {
	l := &loader{env: env, publish: publish}
	for _, z := range env.Host.Zones {
		f := &file{Zone: z, status: Status{Name: z.Name, File: z.File, State: Failed}}
		if z.Answer == "servfail" {
			f.status.State = Broken
		} else {
			f.path = filepath.Join(env.Org.Dir, z.File)
		}
		l.files = append(l.files, f)
	}
	return l
}

func (l *loader) loadAll() {
	for _, f := range l.files {
		if f.path != "" {
			data, info, err := readBounded(f.path)
			l.judge(f, data, info, err)
		}
	}
	l.publish(l.set())
}

// set returns what the files amount to now.
func (l *loader) set() *set {
	s := &set{byName: map[string]entry{}}
	for _, f := range l.files {
		s.list = append(s.list, f.status)
		s.byName[zone.Canonical(f.Name)] = entry{f.served}
	}
	return s
}

// watch looks for changed files until the context ends.
func (l *loader) watch(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.poll(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// poll reads the files that changed and publishes what came of it.
func (l *loader) poll(ctx context.Context) {
	changed := false
	for _, f := range l.files {
		if f.path == "" || f.unchanged() {
			continue
		}
		data, info, err := readBounded(f.path)
		if f.same(data, err) {
			f.seen = info
			continue
		}
		if !rest(ctx, settle) {
			return
		}
		again, info, errAgain := readBounded(f.path)
		if !bytes.Equal(data, again) || (err == nil) != (errAgain == nil) {
			continue // still being written: next time
		}
		l.judge(f, again, info, errAgain)
		changed = true
	}
	if changed {
		l.publish(l.set())
	}
}

func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// unchanged reports whether the file need not be read: it has the size and the
// time of change that it had when it was read, and was old enough then.
func (f *file) unchanged() bool {
	if f.seen == nil {
		return false
	}
	info, err := os.Stat(f.path)
	return err == nil && os.SameFile(info, f.seen) && info.Size() == f.seen.Size() &&
		info.ModTime().Equal(f.seen.ModTime()) && time.Since(info.ModTime()) > racy
}

// same reports whether what was read is what was judged last.
func (f *file) same(data []byte, err error) bool {
	if !f.read {
		return false
	}
	if err != nil {
		return err.Error() == f.readErr
	}
	return f.readErr == "" && sha256.Sum256(data) == f.sum
}

// judge takes a version of the file over, or refuses it.
func (l *loader) judge(f *file, data []byte, info os.FileInfo, err error) {
	f.read, f.seen, f.readErr = true, info, ""
	if err != nil {
		f.readErr = err.Error()
		l.refuse(f, err)
		return
	}
	f.sum = sha256.Sum256(data)
	z, err := parse(f, data)
	if err != nil {
		l.refuse(f, err)
		return
	}
	l.accept(f, z)
}

func parse(f *file, data []byte) (*zone.Zone, error) {
	records, err := zonefile.Parse(bytes.NewReader(data), f.Name, f.File)
	if err != nil {
		return nil, err
	}
	return zone.New(f.Name, f.File, records)
}

func (l *loader) refuse(f *file, err error) {
	faults := strings.Split(err.Error(), "\n")
	f.status.Error = strings.Join(faults, "; ")
	why := make([]reason.Reason, len(faults))
	for i, fault := range faults {
		why[i] = reason.New(reason.ZoneRefused, fault)
	}
	if f.served != nil {
		f.status.State = Stale
	}
	l.env.Events.Append(event.Record{Kind: event.KindNode, Text: event.ReloadRefused, Meta: event.M(event.Zone, f.Name, event.Reason, reason.Encode(why...))})
	// Somebody must act, and the terminal of `correio run` shows errors alone.
	l.env.Log.Error("zone refused", "zone", f.Name, "reason", f.status.Error, "state", string(f.status.State))
}

func (l *loader) accept(f *file, z *zone.Zone) {
	var warning []reason.Reason
	if f.served != nil {
		warning = serialWarning(f.served.Serial(), z.Serial())
	}
	first := f.served == nil
	f.served = z
	f.status = Status{Name: f.Name, File: f.File, State: Loaded, Serial: z.Serial(), Records: z.Records, Loaded: time.Now()}
	if first {
		l.env.Log.Info("zone loaded", "zone", f.Name, "serial", z.Serial(), "records", z.Records)
	} else {
		l.env.Log.Info("zone reloaded", "zone", f.Name, "serial", z.Serial(), "records", z.Records, "warning", reason.Describe(warning))
	}
	l.env.Events.Append(event.Record{Kind: event.KindNode, Text: event.Reloaded, Meta: event.M(event.Zone, f.Name,
		event.Serial, strconv.FormatUint(uint64(z.Serial()), 10), event.Reason, reason.Encode(warning...))})
}

// serialWarning says what secondaries would make of a new version's serial
// (RFC 1982 §3.2), nothing when they would take it. We serve it all the same.
func serialWarning(old, now uint32) []reason.Reason {
	digits := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	switch {
	case now == old:
		return []reason.Reason{reason.New(reason.SerialSame, digits(now))}
	case int32(now-old) <= 0:
		return []reason.Reason{reason.New(reason.SerialBack, digits(old), digits(now))}
	}
	return nil
}

// readBounded reads a zone file whole, or fails when it is too large. The
// description is from before the reading.
func readBounded(path string) ([]byte, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("zone file: %w", plain(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("zone file: %w", plain(err))
	}
	data, err := io.ReadAll(io.LimitReader(f, zonefile.MaxSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("zone file: %w", plain(err))
	}
	if len(data) > zonefile.MaxSize {
		return nil, info, fmt.Errorf("zone file: larger than %d octets", zonefile.MaxSize)
	}
	return data, info, nil
}

// plain keeps of an error of package os what does not depend on where the lab
// directory is mounted.
func plain(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s %s: %w", path.Op, filepath.Base(path.Path), path.Err)
	}
	return err
}
