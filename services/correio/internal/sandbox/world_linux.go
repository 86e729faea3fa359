package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"correio/services/internal/text"
)

// Build makes the world: mounts, then the network. It returns warnings about
// what could not be done and is not needed. It is for the inner process, whose
// namespaces it changes.
func (w *World) Build() ([]text.Error, error) {
	var warnings []text.Error
	warn := func(t text.Text, args ...any) { warnings = append(warnings, *text.Errorf(t, args...)) }
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, Diagnose(err)
	}
	if err := mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		warn(noProc, err) // forbidden where parts of the old one are hidden, as in containers
	}
	if err := mount("correio", w.MountPoint, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700"); err != nil {
		return nil, Diagnose(err)
	}
	if err := w.replaceFiles(warn); err != nil {
		return nil, err
	}
	if err := w.network(); err != nil {
		return nil, Diagnose(err)
	}
	return warnings, nil
}

// replaceFiles makes programs ask the lab's resolver, and nobody else.
func (w *World) replaceFiles(warn func(text.Text, ...any)) error {
	etc := filepath.Join(w.MountPoint, "etc")
	if err := os.Mkdir(etc, 0o755); err != nil {
		return fmt.Errorf("make the world's files: %w", err)
	}
	conf := fmt.Sprintf("# the lab's resolver, put here by correio run\nnameserver %s\noptions timeout:5 attempts:2\n", w.Resolver)
	if err := replace(etc, "/etc/resolv.conf", conf); err != nil {
		warn(noResolvConf, "/etc/resolv.conf", err)
	}
	// Name services that answer over a socket, such as systemd-resolved and
	// nscd, live outside and know nothing of the lab.
	if old, err := os.ReadFile("/etc/nsswitch.conf"); err == nil {
		if err := replace(etc, "/etc/nsswitch.conf", filesAndDNS(string(old))); err != nil {
			warn(noResolvConf, "/etc/nsswitch.conf", err)
		}
	}
	if info, err := os.Stat("/run/nscd"); err == nil && info.IsDir() {
		if err := mount("correio", "/run/nscd", "tmpfs", unix.MS_RDONLY, "mode=0755"); err != nil {
			warn(noResolvConf, "/run/nscd", err)
		}
	}
	return nil
}

// filesAndDNS makes an nsswitch.conf look hosts up in /etc/hosts and by DNS.
func filesAndDNS(conf string) string {
	var out strings.Builder
	for line := range strings.Lines(conf) {
		if !strings.HasPrefix(strings.TrimSpace(line), "hosts:") {
			out.WriteString(line)
		}
	}
	return strings.TrimRight(out.String(), "\n") + "\nhosts: files dns\n"
}

// replace puts a file with the given content in the place of target, for this
// mount namespace alone.
func replace(dir, target, content string) error {
	file := filepath.Join(dir, filepath.Base(target))
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		return err
	}
	// The link's goal is what a program opens in the end.
	resolved, err := filepath.EvalSymlinks(target)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is none to replace: %w", err)
	}
	if err != nil {
		return err
	}
	return mount(file, resolved, "", unix.MS_BIND, "")
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	return nil
}
