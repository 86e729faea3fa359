package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/event"
)

const (
	eventBatch = 64 // with its lines, what each watcher takes memory for
	heartbeat  = 15 * time.Second
	// writeWait is how long a watcher may take to accept one batch.
	writeWait = 10 * time.Second
)

// StreamEvents streams the records of a log as server-sent events, until the
// watcher is gone; with ?follow=false only those that are there. The id of an
// event is BOOT:POSITION; a watcher that sends it back in Last-Event-ID goes
// on behind it, unless the node has restarted since: then it gets all there is.
func StreamEvents(w http.ResponseWriter, r *http.Request, log *event.Log) {
	follow := r.URL.Query().Get("follow") != "false"
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	stream := eventStream{w: w, rc: http.NewResponseController(w), boot: log.Boot()}
	seq := resumeAt(r.Header.Get("Last-Event-ID"), log.Boot())
	if err := stream.comment("boot " + log.Boot()); err != nil {
		return
	}
	for {
		batch := log.After(seq, eventBatch)
		if len(batch.Records) == 0 {
			if !follow {
				return
			}
			if !await(r, log, &stream, seq) {
				return
			}
			continue
		}
		if err := stream.batch(batch); err != nil {
			return
		}
		seq = batch.Last
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
	w    http.ResponseWriter
	rc   *http.ResponseController
	boot string
	out  []byte // what a batch was written into, for the next one
}

func (s *eventStream) batch(b event.Batch) error {
	out := s.out[:0]
	if b.Missed > 0 {
		out = fmt.Appendf(out, "event: missed\ndata: {\"missed\":%d}\n\n", b.Missed)
	}
	first := b.Last - uint64(len(b.Records)) + 1
	for i := range b.Records {
		data, err := json.Marshal(&b.Records[i])
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		out = fmt.Appendf(out, "id: %s:%d\ndata: %s\n\n", s.boot, first+uint64(i), data)
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
