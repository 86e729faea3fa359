package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"correio/services/internal/event"
)

const (
	// maxEvent bounds one server-sent event, in octets.
	maxEvent = 1 << 20
	// readSize takes most of a batch in one read.
	readSize = 16 << 10
)

// ReadEvents parses a stream of server-sent events of records. It returns nil
// at the end of the stream.
func ReadEvents(r io.Reader, each func(id string, r event.Record), missed func(n uint64)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, readSize), maxEvent)
	var e streamed
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if err := e.dispatch(each, missed); err != nil {
				return err
			}
			e.gap, e.data = false, e.data[:0]
			continue
		}
		if err := e.field(line); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return nil
}

// streamed is the event whose lines are being read.
type streamed struct {
	id   string // stays until another comes
	gap  bool
	data []byte
}

func (e *streamed) field(line []byte) error {
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "id":
		e.id = string(value)
	case "event":
		e.gap = string(value) == "missed"
	case "data":
		if len(e.data)+len(value) > maxEvent {
			return fmt.Errorf("read events: one of more than %d octets", maxEvent)
		}
		e.data = append(e.data, value...)
	}
	return nil
}

func (e *streamed) dispatch(each func(string, event.Record), missed func(uint64)) error {
	if len(e.data) == 0 {
		return nil
	}
	if e.gap {
		var gap struct{ Missed uint64 }
		if err := json.Unmarshal(e.data, &gap); err != nil {
			return fmt.Errorf("decode gap: %w", err)
		}
		missed(gap.Missed)
		return nil
	}
	r, err := event.ParseJSON(string(e.data))
	if err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	if r.Kind == "" {
		return errors.New("decode event: a record without a kind")
	}
	each(e.id, r)
	return nil
}
