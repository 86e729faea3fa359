package compose

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/compose"
)

const (
	// project names the suite's containers, networks and volumes; a user's lab has another name.
	project = "correio-e2e"
	image   = "correio:local"
	page    = "http://127.0.0.1:8080"

	upTimeout   = 3 * time.Minute
	downTimeout = 2 * time.Minute
)

// theLab is the lab that all tests share; TestMain sets it before the first of them.
var theLab *lab

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run is TestMain with an exit status, so that the lab is taken down on every way out.
func run(m *testing.M) int {
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	l, err := open()
	if err != nil {
		return failed(err)
	}
	remove := sync.OnceValue(l.remove)
	onInterrupt(func() {
		if err := remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	if err := l.up(); err != nil {
		l.explain(os.Stderr)
		_ = remove() // the failure above is the one to tell
		return failed(err)
	}
	theLab = l
	status := m.Run()
	if status != 0 {
		l.explain(os.Stderr)
	}
	if err := remove(); err != nil {
		return failed(err)
	}
	return status
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "e2e/compose:", err)
	return 1
}

// onInterrupt leaves nothing behind after Ctrl-C or a time limit's SIGTERM.
func onInterrupt(clean func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		clean()
		os.Exit(130)
	}()
}

// open finds the engine, the command and the image, and builds what is missing.
func open() (*lab, error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return nil, err
	}
	l := &lab{root: root, cli: os.Getenv("CORREIO_BIN")}
	if l.cli == "" {
		l.cli = filepath.Join(root, ".cache", "bin", "correio")
	}
	// No Ryuk: its image is one more to pull, and this suite removes by itself what it leaves. The host's ports are
	// on this machine, also where testcontainers takes the machine for a container.
	setDefault("TESTCONTAINERS_RYUK_DISABLED", "true")
	setDefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
	ctx, cancel := context.WithTimeout(context.Background(), upTimeout)
	defer cancel()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, fmt.Errorf("no Docker engine answers (docker info tells why): %w", err)
	}
	l.docker = docker
	return l, l.build(ctx)
}

func setDefault(key, value string) {
	if os.Getenv(key) == "" {
		_ = os.Setenv(key, value) // fails for a malformed key only
	}
}

// build makes the image and the command when one of them is missing.
func (l *lab) build(ctx context.Context) error {
	_, noImage := l.docker.ImageInspect(ctx, image)
	_, noCLI := os.Stat(l.cli)
	if noImage == nil && noCLI == nil {
		return nil
	}
	make := exec.CommandContext(ctx, filepath.Join(l.root, "scripts", "up"), "--build-only")
	make.Stdout, make.Stderr = os.Stderr, os.Stderr
	if err := make.Run(); err != nil {
		return fmt.Errorf("build the image and the command: %w", err)
	}
	return nil
}

// up starts the lab and waits until the observatory says that every node is ready.
func (l *lab) up() error {
	ctx, cancel := context.WithTimeout(context.Background(), upTimeout)
	defer cancel()
	if err := l.sweep(ctx); err != nil {
		return err
	}
	if err := l.alone(ctx); err != nil {
		return err
	}
	if err := l.duplicate(); err != nil {
		return err
	}
	stack, err := compose.NewDockerComposeWith(compose.StackIdentifier(project),
		compose.WithStackFiles(filepath.Join(l.copy, "docker-compose.yml")))
	if err != nil {
		return fmt.Errorf("read docker-compose.yml: %w", err)
	}
	l.stack = stack
	stack.WithOsEnv().WithEnv(map[string]string{"LAB_TARGET": "prebuilt"})
	if err := stack.Up(ctx); err != nil {
		return err
	}
	err = l.Await(ctx, "the page says that all nodes are ready", func(ctx context.Context) error {
		return l.Answers(ctx, page+"/readyz")
	})
	if err != nil {
		return err
	}
	return l.weigh(ctx)
}

// duplicate copies docker-compose.yml and deploy/ to a folder of the suite's own: scenarios edit zones.
func (l *lab) duplicate() error {
	var err error
	if l.copy, err = os.MkdirTemp("", project+"-"); err != nil {
		return err
	}
	// The containers' user, who is not ours, reads it.
	if err := os.Chmod(l.copy, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(l.copy, "deploy"), os.DirFS(filepath.Join(l.root, "deploy"))); err != nil {
		return fmt.Errorf("copy the lab directory: %w", err)
	}
	file, err := os.ReadFile(filepath.Join(l.root, "docker-compose.yml"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.copy, "docker-compose.yml"), file, 0o644)
}

// alone fails when another lab has our addresses. Networks that Compose made for one and left without containers are
// removed.
func (l *lab) alone(ctx context.Context) error {
	networks, err := l.docker.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	for _, n := range networks.Items {
		if !slices.ContainsFunc(n.IPAM.Config, func(c network.IPAMConfig) bool { return labRange.Overlaps(c.Subnet) }) {
			continue
		}
		on, err := l.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("network", n.Name)})
		if err != nil {
			return fmt.Errorf("list containers: %w", err)
		}
		if len(on.Items) > 0 || n.Labels["com.docker.compose.project"] == "" {
			return fmt.Errorf("network %s has the lab's addresses: stop the lab there (correio down), or remove the network, and run this again", n.Name)
		}
		if _, err := l.docker.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil {
			return fmt.Errorf("network %s has the lab's addresses and no container, but Docker keeps it; restart Docker and run this again: %w",
				n.Name, err)
		}
	}
	return nil
}

// remove takes the lab down, its volumes with it.
func (l *lab) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), downTimeout)
	defer cancel()
	if l.stack != nil {
		defer l.stack.Close()
	}
	if l.copy != "" {
		defer os.RemoveAll(l.copy)
	}
	return l.sweep(ctx)
}
