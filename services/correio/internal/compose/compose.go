// Package compose drives the lab in containers through whichever Compose there
// is: it looks before it leaps (Preflight), so that what is missing is one
// clear line and nothing is half started.
package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"correio/services/internal/text"
)

// File is the lab's Compose file.
const File = "docker-compose.yml"

// defaultProject names the containers, networks and volumes, whatever the
// folder's name is, unless COMPOSE_PROJECT_NAME does.
const defaultProject = "correio"

// Project is a lab's Compose file and the program that works on it.
type Project struct {
	Dir     string   // where File is
	Command []string // such as "docker", "compose"
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
}

// Find looks for the lab's Compose file in dir and the folders above it.
func Find(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, File)); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", text.Errorf(noFile, File, dir)
		}
	}
}

// Open finds Compose: $CORREIO_COMPOSE, or the docker CLI's plugin, or
// docker-compose from 1.29 on.
func Open(ctx context.Context, dir string, getenv func(string) string, stdout, stderr io.Writer) (*Project, error) {
	p := &Project{Dir: dir, Stdout: stdout, Stderr: stderr, Getenv: getenv}
	if named := strings.Fields(getenv("CORREIO_COMPOSE")); len(named) > 0 {
		if _, err := output(ctx, append(named, "version", "--short")); err != nil {
			return nil, text.Errorf(badCompose, strings.Join(named, " "), err)
		}
		p.Command = named
		return p, nil
	}
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}, {besideUs()}} {
		version, err := output(ctx, append(slices.Clone(command), "version", "--short"))
		if err == nil && serves(version) {
			p.Command = command
			return p, nil
		}
	}
	return nil, text.Errorf(noCompose)
}

// besideUs is where ./scripts/up puts the Compose that it built.
func besideUs() string {
	exe, err := os.Executable()
	if err != nil {
		return "docker-compose" // looked for already, and not there
	}
	return filepath.Join(filepath.Dir(exe), "docker-compose")
}

var versionNumber = regexp.MustCompile(`^v?(\d+)\.(\d+)`)

// serves reports whether a Compose of that version reads the lab's file.
func serves(version string) bool {
	m := versionNumber.FindStringSubmatch(strings.TrimSpace(version))
	if m == nil {
		return false
	}
	major, err1 := strconv.Atoi(m[1])
	minor, err2 := strconv.Atoi(m[2])
	return err1 == nil && err2 == nil && (major > 1 || major == 1 && minor >= 29)
}

// output runs a short command and returns what it prints; the error is its
// complaint.
func output(ctx context.Context, command []string) (string, error) {
	return outputWithin(ctx, 30*time.Second, command)
}

func outputWithin(ctx context.Context, limit time.Duration, command []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		if said := strings.TrimSpace(complaint.String()); said != "" {
			return "", errors.New(firstLine(said))
		}
		return "", err
	}
	return string(out), nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// Preflight says what keeps the lab from starting: no engine, no image, a
// taken port. ports are those of the host's loopback that the lab publishes,
// except while the lab itself runs.
func (p *Project) Preflight(ctx context.Context, page int, users []int) error {
	if _, err := output(ctx, []string{"docker", "version", "--format", "{{.Server.Version}}"}); err != nil {
		return text.Errorf(noEngine, err)
	}
	if _, err := output(ctx, []string{"docker", "image", "inspect", "--format", "{{.Id}}", "correio:local"}); err != nil {
		return text.Errorf(noImage)
	}
	if p.Running(ctx) {
		return nil
	}
	if err := free(page); err != nil {
		return text.Errorf(pageTaken, page)
	}
	for _, port := range users {
		if err := free(port); err != nil {
			return text.Errorf(portTaken, port)
		}
	}
	return nil
}

// free tries to listen on a port of the loopback.
func free(port int) error {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return ln.Close()
}

// Running reports whether the lab's observatory is up, which holds the ports.
func (p *Project) Running(ctx context.Context) bool {
	ids, err := p.containers(ctx, "observatory", "--filter", "status=running")
	return err == nil && len(ids) > 0
}

// name is the project's, as Compose understands it.
func (p *Project) name() string {
	if name := p.Getenv("COMPOSE_PROJECT_NAME"); name != "" {
		return name
	}
	return defaultProject
}

// containers lists the ids of a service's containers, by the labels that every
// Compose puts on them.
func (p *Project) containers(ctx context.Context, service string, more ...string) ([]string, error) {
	ids, err := output(ctx, append([]string{"docker", "ps", "--all", "--quiet",
		"--filter", "label=com.docker.compose.project=" + p.name(),
		"--filter", "label=com.docker.compose.service=" + service}, more...))
	return strings.Fields(ids), err
}

// Container stops, starts or kills the container of a service: verb is one of
// docker's. Compose itself is content when there is none; this is not.
func (p *Project) Container(ctx context.Context, verb, service string) error {
	ids, err := p.containers(ctx, service)
	if err != nil {
		return text.Errorf(noEngine, err)
	}
	if len(ids) == 0 {
		return text.Errorf(noContainer, service, p.name())
	}
	if _, err := output(ctx, append([]string{"docker", verb}, ids...)); err != nil {
		return text.Errorf(composeFailed, "docker "+verb+" "+strings.Join(ids, " "), err)
	}
	return nil
}

// Run runs Compose with the lab's file, its output to Stderr.
func (p *Project) Run(ctx context.Context, args ...string) error {
	args = append(append(slices.Clone(p.Command[1:]), "-p", p.name(), "-f", filepath.Join(p.Dir, File)), args...)
	cmd := exec.CommandContext(ctx, p.Command[0], args...)
	cmd.Dir = p.Dir
	cmd.Stdout, cmd.Stderr = p.Stderr, p.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it leaves a usable state
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return text.Errorf(composeFailed, strings.Join(append(p.Command[:1:1], args...), " "), err)
	}
	return nil
}

// Service returns the service that runs a node, which its command names.
func (p *Project) Service(node string) (string, error) {
	data, err := os.ReadFile(filepath.Join(p.Dir, File))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", File, err)
	}
	services, err := nodeServices(data)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", File, err)
	}
	if service, ok := services[strings.ToLower(node)]; ok {
		return service, nil
	}
	return "", text.Errorf(noSuchNode, node, strings.Join(sortedKeys(services), ", "))
}

// nodeServices maps the nodes of a Compose file to its services.
func nodeServices(data []byte) (map[string]string, error) {
	var file struct {
		Services map[string]struct {
			Command []string `yaml:"command"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	nodes := map[string]string{}
	for service, s := range file.Services {
		if i := slices.Index(s.Command, "--name"); i >= 0 && i+1 < len(s.Command) && s.Command[0] == "node" {
			nodes[s.Command[i+1]] = service
		}
	}
	return nodes, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
