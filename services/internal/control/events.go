package control

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/event"
)

const (
	eventBatch = 64 // with its lines, what each watcher takes memory for
	// eventRest is how long a watcher that has all there is is left alone after
	// each write: what happens meanwhile comes in one. A node at work would
	// otherwise wake its watcher for every line. The first record after a
	// silence does not wait, none waits longer.
	eventRest = 4 * time.Millisecond
	heartbeat = 15 * time.Second
	// writeWait is how long a watcher may take to accept one batch.
	writeWait = 10 * time.Second
)

// Encoder appends to out what a stream says of a record, in one line.
type Encoder func(r *event.Record, out []byte) ([]byte, error)

// StreamEvents streams the records of a log as server-sent events, until the
// watcher is gone; with ?follow=false only those that are there. The id of an
// event is BOOT:POSITION; a watcher that sends it back in Last-Event-ID, or at
// first in ?after=, where it can send no header, goes on behind it, unless the
// node has restarted since: then it gets all there is.
func StreamEvents(w http.ResponseWriter, r *http.Request, log *event.Log) {
	StreamAs(w, r, log, (*event.Record).AppendJSON)
}

// StreamAs is as StreamEvents, and says of each record what encode makes of it.
func StreamAs(w http.ResponseWriter, r *http.Request, log *event.Log, encode Encoder) {
	follow := r.URL.Query().Get("follow") != "false"
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	stream := eventStream{w: w, rc: http.NewResponseController(w), boot: log.Boot(), encode: encode}
	if err := stream.comment("boot " + log.Boot()); err != nil {
		return
	}
	batch := event.Batch{Last: resumeAt(cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after")), log.Boot())}
	for {
		seq := batch.Last
		batch = log.AfterIn(batch.Records, seq, eventBatch)
		if len(batch.Records) == 0 {
			batch.Last = seq
			if !follow || !await(r, log, &stream, seq) {
				return
			}
			continue
		}
		if err := stream.batch(batch); err != nil {
			return
		}
		if follow && len(batch.Records) < eventBatch && clock.Speed(1).Sleep(r.Context(), eventRest) != nil {
			return
		}
	}
}

// await returns true as soon as there are records behind seq, and keeps the
// stream alive meanwhile; false when the watcher is gone.
func await(r *http.Request, log *event.Log, stream *eventStream, seq uint64) bool {
	for {
		ctx, cancel := context.WithTimeout(r.Context(), heartbeat)
		_, err := log.Wait(ctx, seq, 1)
		cancel()
		switch {
		case err == nil:
			return true
		case r.Context().Err() != nil:
			return false
		case stream.comment("still here") != nil:
			return false
		}
	}
}

// resumeAt reads a Last-Event-ID of this boot; anything else starts anew.
func resumeAt(id, boot string) uint64 {
	of, seq, ok := strings.Cut(id, ":")
	if !ok || of != boot {
		return 0
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

type eventStream struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	boot   string
	encode Encoder
	out    []byte // what a batch was written into, for the next one
}

func (s *eventStream) batch(b event.Batch) error {
	out := s.out[:0]
	if b.Missed > 0 {
		out = append(out, "event: missed\ndata: {\"missed\":"...)
		out = append(strconv.AppendUint(out, b.Missed, 10), "}\n\n"...)
	}
	first := b.Last - uint64(len(b.Records)) + 1
	for i := range b.Records {
		out = append(append(append(out, "id: "...), s.boot...), ':')
		out = append(strconv.AppendUint(out, first+uint64(i), 10), "\ndata: "...)
		var err error
		if out, err = s.encode(&b.Records[i], out); err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		out = append(out, "\n\n"...)
	}
	s.out = out
	return s.write(out)
}

func (s *eventStream) comment(text string) error { return s.write([]byte(": " + text + "\n\n")) }

func (s *eventStream) write(p []byte) error {
	// Not every ResponseWriter has deadlines; those of real connections do.
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeWait))
	if _, err := s.w.Write(p); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return s.rc.Flush()
}
