package atomicfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"correio/services/internal/atomicfile"
)

func TestWriteReplacesContentAndPermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("a longer content than the new one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "new" {
		t.Errorf("content %q, %v, want %q", got, err, "new")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode().Perm(), err)
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(names) > 0 {
		t.Errorf("temporary files left: %v", names)
	}
}

func TestWriteLeavesTheOldFileAndNoTemporaryOneWhenItFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	// A folder that is not empty cannot be renamed over.
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("new"), 0o600); err == nil {
		t.Fatal("Write over a folder succeeded")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		t.Errorf("folder holds %v, %v, want the old entry alone", entries, err)
	}
	if err := atomicfile.Write(filepath.Join(dir, "none", "token"), nil, 0o600); err == nil {
		t.Error("Write into a missing folder succeeded")
	}
}
