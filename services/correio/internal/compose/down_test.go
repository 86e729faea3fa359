package compose

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// engine is a docker that writes down what it is asked and answers from a few
// variables: $RUNNING are ids, $NETWORKS and $VOLUMES names, $ON a network's
// containers.
const engine = `echo "docker $*" >>"$LOG"
case "$1 $2" in
"ps --quiet") echo $RUNNING ;;
"ps --all") ;;
"network ls") echo $NETWORKS ;;
"network rm") test -z "$STUCK" || { echo "error while removing network: network $3 id 1 has $STUCK" >&2; exit 1; } ;;
"network inspect") echo $ON ;;
"volume ls") echo $VOLUMES ;;
esac`

// asked returns what the programs of fake were asked, without listings.
func asked(t *testing.T, log string) string {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); !strings.Contains(line, " --f") { // --format, --filter
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// TestDown plays Compose versions that remove everything, and some that give
// up at the first network: Docker 20.10 never removed correio_control when 20
// containers had left it at the same time.
func TestDown(t *testing.T) {
	const (
		works    = `echo "compose ${5}" >>"$LOG"`
		givesUp  = works + "; exit 1"
		stopping = "docker stop a1; docker stop b2; compose down"
	)
	tests := []struct {
		name, compose string
		env           map[string]string
		volumes, kill bool
		asks          string
		want          string // in the error; "" for success
	}{
		{"one after another", works, nil, false, false, stopping, ""},
		{"a power failure", works, nil, false, true, "docker kill a1; docker kill b2; compose down", ""},
		{"the network goes at the second try", givesUp, map[string]string{"NETWORKS": "correio_control", "VOLUMES": "mail"}, true, false,
			stopping + "; docker network rm correio_control; docker volume rm mail", ""},
		{"mail stays", givesUp, map[string]string{"NETWORKS": "correio_control", "VOLUMES": "mail"}, false, false,
			stopping + "; docker network rm correio_control", ""},
		{"Docker's count is wrong", givesUp,
			map[string]string{"NETWORKS": "correio_control correio_front", "VOLUMES": "mail", "STUCK": "active endpoints"}, true, false,
			stopping + "; docker network rm correio_control; docker network rm correio_front; docker volume rm mail", "Restart Docker"},
		{"a container of somebody else", givesUp,
			map[string]string{"NETWORKS": "correio_internet", "STUCK": "active endpoints", "ON": "my-postfix"}, false, false,
			stopping + "; docker network rm correio_internet", "my-postfix"},
		{"something else", givesUp, map[string]string{"NETWORKS": "correio_internet", "STUCK": "no such plugin"}, false, false,
			stopping + "; docker network rm correio_internet", "my-compose -p correio"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			t.Setenv("LOG", log)
			t.Setenv("RUNNING", "a1 b2")
			for key, value := range tt.env {
				t.Setenv(key, value)
			}
			fake(t, map[string]string{"docker": engine, "my-compose": tt.compose})
			p := &Project{Dir: t.TempDir(), Command: []string{"my-compose"}, Stderr: io.Discard, Getenv: func(string) string { return "" }}
			err := p.Down(t.Context(), tt.volumes, tt.kill)
			if got := asked(t, log); got != tt.asks {
				t.Errorf("Down asked %q, want %q", got, tt.asks)
			}
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Down: %v, want success", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("Down: %v, want it to say %q", err, tt.want)
			case tt.want != "":
				oneLine(t, err)
			}
		})
	}
}
