package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/modules/compose"
)

// labRange is where the lab's addresses come from (RFC 2544's test networks).
var labRange = netip.MustParsePrefix("198.18.0.0/15")

// lab is the running Compose lab. A service is named as in docker-compose.yml.
type lab struct {
	root   string // the repository
	copy   string // a folder of our own with docker-compose.yml and deploy/
	cli    string // the command correio
	docker *testcontainers.DockerClient
	stack  *compose.DockerCompose
	// idle is what each service's container held when the lab was ready and
	// nothing had been asked of it yet, in octets.
	idle map[string]uint64
}

// CLI runs the command on this lab and returns what it printed and its exit code, -1 when it could not be run.
func (l *lab) CLI(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(ctx, l.cli, args...)
	cmd.Dir = l.copy
	cmd.Env = append(os.Environ(), "CORREIO_LAB="+page, "COMPOSE_PROJECT_NAME="+project)
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		fmt.Fprintln(&talk, err)
	}
	if cmd.ProcessState == nil {
		return out.String(), talk.String(), -1
	}
	return out.String(), talk.String(), cmd.ProcessState.ExitCode()
}

// Exec runs the image's own command inside a service's container: Exec(ctx, "aurora-pc", "dig", "boreal.test", "MX").
func (l *lab) Exec(ctx context.Context, service string, args ...string) (output string, code int, err error) {
	c, err := l.stack.ServiceContainer(ctx, service)
	if err != nil {
		return "", -1, err
	}
	code, r, err := c.Exec(ctx, append([]string{"/correio"}, args...), tcexec.Multiplexed())
	if err != nil {
		return "", -1, fmt.Errorf("exec in %s: %w", service, err)
	}
	b, err := io.ReadAll(r)
	return string(b), code, err
}

// Stop ends a service as an operator would, with time to finish.
func (l *lab) Stop(ctx context.Context, service string) error {
	return l.on(ctx, service, func(id string) error {
		_, err := l.docker.ContainerStop(ctx, id, client.ContainerStopOptions{})
		return err
	})
}

// Kill ends a service at once, by SIGKILL.
func (l *lab) Kill(ctx context.Context, service string) error {
	return l.on(ctx, service, func(id string) error {
		_, err := l.docker.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"})
		return err
	})
}

// Start starts a stopped or killed service again and waits until every node is ready.
func (l *lab) Start(ctx context.Context, service string) error {
	err := l.on(ctx, service, func(id string) error {
		_, err := l.docker.ContainerStart(ctx, id, client.ContainerStartOptions{})
		return err
	})
	if err != nil {
		return err
	}
	return l.Await(ctx, service+" is ready again", func(ctx context.Context) error {
		return l.Answers(ctx, page+"/readyz")
	})
}

// on finds a service's container for one operation.
func (l *lab) on(ctx context.Context, service string, do func(id string) error) error {
	c, err := l.stack.ServiceContainer(ctx, service)
	if err != nil {
		return err
	}
	if err := do(c.GetContainerID()); err != nil {
		return fmt.Errorf("%s: %w", service, err)
	}
	return nil
}

// ContainerIP is a service's address on a network of docker-compose.yml ("internet", "lan-aurora").
func (l *lab) ContainerIP(ctx context.Context, service, network string) (netip.Addr, error) {
	c, err := l.stack.ServiceContainer(ctx, service)
	if err != nil {
		return netip.Addr{}, err
	}
	info, err := l.docker.ContainerInspect(ctx, c.GetContainerID(), client.ContainerInspectOptions{})
	if err != nil {
		return netip.Addr{}, fmt.Errorf("inspect %s: %w", service, err)
	}
	for name, end := range info.Container.NetworkSettings.Networks {
		if name == network || name == project+"_"+network {
			return end.IPAddress, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%s is not on network %s", service, network)
}

// Services are the names in docker-compose.yml.
func (l *lab) Services() []string { return l.stack.Services() }

// Await asks until there is no error or ctx ends; what is the fact that is waited for.
func (l *lab) Await(ctx context.Context, what string, ask func(context.Context) error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for: %s: %w, last: %w", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Answers is an error unless url is answered 200.
func (l *lab) Answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // only makes the message better
		return fmt.Errorf("GET %s: %s: %s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// ours selects what belongs to the suite, now or from a run that was killed.
func ours() client.Filters {
	return make(client.Filters).Add("label", "com.docker.compose.project="+project)
}

// sweep removes all that belongs to the suite: containers, networks, volumes.
func (l *lab) sweep(ctx context.Context) error {
	containers, err := l.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours()})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	networks, err := l.docker.NetworkList(ctx, client.NetworkListOptions{Filters: ours()})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	volumes, err := l.docker.VolumeList(ctx, client.VolumeListOptions{Filters: ours()})
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	var faults []error
	// One after another: Docker loses count of a network's containers when several leave it at the same time, and
	// then never removes the network.
	for _, c := range containers.Items {
		_, err := l.docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		faults = append(faults, err)
	}
	for _, n := range networks.Items {
		_, err := l.docker.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		faults = append(faults, err)
	}
	for _, v := range volumes.Items {
		_, err := l.docker.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// explain prints what a reader of a failed run wants first: each container's state and its last lines.
func (l *lab) explain(w io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	containers, err := l.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours()})
	if err != nil {
		fmt.Fprintln(w, "list containers:", err)
		return
	}
	for _, c := range containers.Items {
		fmt.Fprintf(w, "--- %s: %s\n", c.Labels["com.docker.compose.service"], c.Status)
		logs, err := exec.CommandContext(ctx, "docker", "logs", "--tail", "15", c.ID).CombinedOutput()
		if err != nil {
			fmt.Fprintln(w, "docker logs:", err)
		}
		_, _ = w.Write(logs) // a report that cannot be written has no other place to go
	}
}
