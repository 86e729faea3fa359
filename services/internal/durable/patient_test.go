package durable

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

// What is patient shares the commit of what is not; alone it has one after a while.
func TestPatientWritesShareACommit(t *testing.T) {
	t.Parallel()
	soon := func(db *DB, all *sync.WaitGroup, n int) {
		for i := range n {
			all.Go(func() {
				if err := db.WriteSoon(context.Background(), insertItem(fmt.Sprint("soon", i))); err != nil {
					t.Error(err)
				}
			})
		}
	}
	queued := func(db *DB, n int) {
		for {
			db.writer.mu.Lock()
			got := len(db.writer.queue)
			db.writer.mu.Unlock()
			if got >= n {
				return
			}
			runtime.Gosched()
		}
	}
	commits := func(db *DB, before Stats) int64 { return db.Stats().Commits - before.Commits }
	t.Run("with another's", func(t *testing.T) {
		t.Parallel()
		db := openTest(t)
		release := hold(t, db)
		before := db.Stats()
		var all sync.WaitGroup
		soon(db, &all, maxPatient-1)
		queued(db, maxPatient-1)
		other := enqueued(t.Context(), db, insertItem("other"))
		if err := errors.Join(release(), <-other); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if n := commits(db, before); n != 1 {
			t.Errorf("%d commits", n)
		}
	})
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		db := openTest(t)
		before, began := db.Stats(), time.Now()
		var all sync.WaitGroup
		soon(db, &all, 1)
		all.Wait()
		if n, took := commits(db, before), time.Since(began); n != 1 || took < patience {
			t.Errorf("%d commits after %v", n, took)
		}
	})
}
