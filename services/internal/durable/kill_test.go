package durable

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// childEnv makes the test binary a child that writes until it is killed.
const childEnv = "DURABLE_TEST_CHILD"

// writeUntilKilled prints an id after each Write that has returned.
func writeUntilKilled(path string) {
	db, err := Open(context.Background(), path, itemMigrations)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for worker := range 8 {
		go func() { // ends with the process: being killed is its purpose
			for {
				var id int64
				err := db.Write(context.Background(), func(tx *Tx) (err error) {
					body := strings.NewReader(strings.Repeat("x", 100_000*(worker%2)))
					if id, _, err = WriteBlob(tx, body); err != nil {
						return err
					}
					return tx.Exec("INSERT INTO item(id) VALUES(?)", id)
				})
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				// One write call per line, so that lines do not mix.
				fmt.Fprintf(os.Stdout, "%d\n", id)
			}
		}()
	}
	select {}
}

// Design §1.3: after a kill -9 at any instant nothing that was accepted is lost.
func TestKillLosesNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kill.db")
	known := make(map[int64]bool)
	for _, lines := range []int{1, 40, 400} { // the same file, killed three times
		for _, id := range killAfter(t, path, lines) {
			known[id] = true
		}
		db, err := Open(t.Context(), path, itemMigrations)
		if err != nil {
			t.Fatal(err)
		}
		checkKilled(t, db, known)
		mustClose(t, db)
	}
}

// killAfter runs the child, kills it after so many lines and returns all it printed.
func killAfter(t *testing.T, path string, lines int) []int64 {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for scan := bufio.NewScanner(out); scan.Scan(); {
		id, err := strconv.ParseInt(scan.Text(), 10, 64)
		if err != nil {
			t.Errorf("child says %q", scan.Text())
			break
		}
		if ids = append(ids, id); len(ids) == lines {
			if err := cmd.Process.Kill(); err != nil { // SIGKILL
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // "signal: killed"
	if len(ids) < lines {
		t.Fatalf("child printed %d ids, want at least %d", len(ids), lines)
	}
	return ids
}

func checkKilled(t *testing.T, db *DB, known map[int64]bool) {
	t.Helper()
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	err := db.Read(t.Context(), func(tx *Tx) error {
		for id := range known {
			var got int64
			if err := tx.QueryRow("SELECT id FROM item WHERE id=?", id).Scan(&got); err != nil {
				t.Errorf("id %d was answered and is lost: %v", id, err)
			}
		}
		// Half of a write would be an item without its blob, or a blob without its item.
		var torn int
		err := tx.QueryRow(`SELECT
			(SELECT count(*) FROM item WHERE id NOT IN (SELECT id FROM durable_chunk WHERE size IS NOT NULL)) +
			(SELECT count(*) FROM durable_chunk WHERE size IS NOT NULL AND id NOT IN (SELECT id FROM item))`).Scan(&torn)
		if torn != 0 {
			t.Errorf("%d writes are half there", torn)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
