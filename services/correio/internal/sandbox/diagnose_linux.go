package sandbox

import (
	"os"
	"strings"
)

// Diagnose turns an error of making namespaces, or of using them, into one
// line that names the setting which forbids it.
func Diagnose(err error) error { return diagnose(err, readSetting) }

// restriction is a setting of some distributions that forbids what we need.
type restriction struct{ name, file, forbids, allows string }

var restrictions = []restriction{
	{"kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone", "0", "1"},
	{"user.max_user_namespaces", "/proc/sys/user/max_user_namespaces", "0", "10000"},
	{"user.max_net_namespaces", "/proc/sys/user/max_net_namespaces", "0", "10000"},
	{"user.max_pid_namespaces", "/proc/sys/user/max_pid_namespaces", "0", "10000"},
	{"user.max_mnt_namespaces", "/proc/sys/user/max_mnt_namespaces", "0", "10000"},
	{"kernel.apparmor_restrict_unprivileged_userns", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
}

// diagnose reads settings through read, which returns "" for what is not there.
func diagnose(err error, read func(file string) string) error {
	if read("/proc/self/status") != "" && read("/proc/self/uid_map") == "" {
		return errorf(noUserNamespaces)
	}
	for _, r := range restrictions {
		if value := read(r.file); value == r.forbids {
			return errorf(settingForbids, r.name, value, r.allows)
		}
	}
	if seccomp(read("/proc/self/status")) {
		return errorf(seccompForbids, err)
	}
	return errorf(somethingForbids, err)
}

// seccomp reports whether a status file says that a filter is at work.
func seccomp(status string) bool {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "Seccomp:"); ok {
			return strings.TrimSpace(value) == "2"
		}
	}
	return false
}

func readSetting(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
