package durable

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ncruces/go-sqlite3"
)

// maxReaders bounds the read connections; each costs some 300 KiB.
const maxReaders = 4

// readers is a small pool of read connections. The last one used is taken
// first, so that only as many are opened as reads ever overlapped.
type readers struct {
	path   string
	slots  chan struct{} // one token per connection in use
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex // guards idle
	idle []*conn
}

func newReaders(path string) *readers {
	return &readers{path: path, slots: make(chan struct{}, maxReaders), closed: make(chan struct{})}
}

func (p *readers) read(ctx context.Context, fn func(tx *Tx) error) (err error) {
	c, err := p.get(ctx)
	if err != nil {
		return err
	}
	c.raw.SetInterrupt(ctx)
	tx := &Tx{conn: c}
	defer func() {
		tx.conn = nil
		c.raw.SetInterrupt(context.Background())
		p.put(c)
	}()
	if err := c.exec("BEGIN"); err != nil {
		return interrupted(ctx, err)
	}
	return interrupted(ctx, fn(tx))
}

// interrupted adds the context's reason to a query that it cut short.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, sqlite3.INTERRUPT) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

func (p *readers) get(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.closed:
		return nil, ErrClosed
	default:
	}
	select {
	case p.slots <- struct{}{}:
	case <-p.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c := p.pop(); c != nil {
		return c, nil
	}
	c, err := openConn(ctx, p.path, sqlite3.OPEN_READWRITE, readerPragmas())
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

func (p *readers) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

// put ends the transaction and keeps the connection if that went well.
func (p *readers) put(c *conn) {
	defer func() { <-p.slots }()
	if c.inTransaction() && c.exec("ROLLBACK") != nil {
		_ = c.close() // read only: nothing can be lost
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}

// close refuses new reads, waits for those that run and closes the connections.
func (p *readers) close() error {
	p.once.Do(func() { close(p.closed) })
	for range maxReaders {
		p.slots <- struct{}{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	p.idle = nil
	return errors.Join(errs...)
}
