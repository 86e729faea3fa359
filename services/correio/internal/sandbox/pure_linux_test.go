package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/text"
)

func TestDiagnoseNamesTheSetting(t *testing.T) {
	linux := map[string]string{
		"/proc/self/status": "Name:\tcorreio\nSeccomp:\t0\n", "/proc/self/uid_map": "0 0 4294967295",
		"/proc/sys/user/max_user_namespaces": "96365",
	}
	tests := []struct {
		name     string
		settings map[string]string
		want     string
	}{
		{"Debian's old switch", map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0"}, "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"none allowed", map[string]string{"/proc/sys/user/max_user_namespaces": "0"}, "sysctl -w user.max_user_namespaces=10000"},
		{"Ubuntu's AppArmor", map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"inside a container", map[string]string{"/proc/self/status": "Name:\tcorreio\nSeccomp:\t2\n"}, "--security-opt seccomp=unconfined"},
		{"kernel without them", map[string]string{"/proc/self/uid_map": ""}, "no user namespaces"},
		{"something else", nil, "operation not permitted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := diagnose(syscall.EPERM, func(file string) string {
				if value, ok := tt.settings[file]; ok {
					return value
				}
				return linux[file]
			})
			var speaks *text.Error
			if !errors.As(err, &speaks) {
				t.Fatalf("diagnose = %T, want a text in both languages", err)
			}
			for _, lang := range text.Langs {
				said := speaks.In(lang)
				if strings.Contains(said, "\n") || !strings.Contains(said, "./scripts/up") {
					t.Errorf("%s: %q, want one line that offers ./scripts/up", lang, said)
				}
			}
			if got := speaks.In(text.English); !strings.Contains(got, tt.want) {
				t.Errorf("diagnose = %q, want it to say %q", got, tt.want)
			}
		})
	}
}

func TestMappings(t *testing.T) {
	tables := func(file string) string {
		return map[string]string{"/proc/self/uid_map": "0 100000 1000\n1000 1000 1\n", "/proc/self/gid_map": "0 0 4294967295\n"}[file]
	}
	mine := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	want := []ids{
		{
			users:  []syscall.SysProcIDMap{{Size: 1000}, {ContainerID: 1000, HostID: 1000, Size: 1}},
			groups: []syscall.SysProcIDMap{{Size: 4294967295}},
			all:    true,
		},
		{users: mine(0), groups: mine(0)},
	}
	if diff := cmp.Diff(want, mappings(0, 0, tables), cmp.AllowUnexported(ids{})); diff != "" {
		t.Errorf("root's mappings (-want +got):\n%s", diff)
	}
	want = []ids{{users: mine(1000), groups: mine(100)}}
	if diff := cmp.Diff(want, mappings(1000, 100, tables), cmp.AllowUnexported(ids{})); diff != "" {
		t.Errorf("a user's mappings (-want +got):\n%s", diff)
	}
}

func TestHostsAreLookedUpInFilesAndByDNSAlone(t *testing.T) {
	got := filesAndDNS("passwd: files systemd\nhosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\nprotocols: db files")
	if want := "passwd: files systemd\nprotocols: db files\nhosts: files dns\n"; got != want {
		t.Errorf("nsswitch.conf = %q, want %q", got, want)
	}
}

func TestMountPointIsConstantPrivateAndOurs(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	want := filepath.Join(cache, "correio", "run")
	for range 2 {
		got, err := MountPoint()
		if err != nil || got != want {
			t.Fatalf("MountPoint = %q, %v, want %q", got, err, want)
		}
	}
	if info, err := os.Stat(want); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the mount point: %v, %v, want 0700", info.Mode(), err)
	}
}

func TestMountPointOfOthersIsRefused(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/proc/no-cache-can-be-made-here")
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	elsewhere := t.TempDir()
	got, err := MountPoint()
	if err != nil || filepath.Dir(got) != temp {
		t.Fatalf("MountPoint = %q, %v, want one in %s", got, err, temp)
	}
	if err := os.Remove(got); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, got); err != nil {
		t.Fatal(err)
	}
	if through, err := MountPoint(); err == nil {
		t.Errorf("MountPoint = %q through somebody's link, want an error", through)
	}
	if err := os.Remove(got); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(got, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(got, 0o777); err != nil {
		t.Fatal(err)
	}
	if open, err := MountPoint(); err == nil {
		t.Errorf("MountPoint = %q that everybody writes, want an error", open)
	}
}
