package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"correio/services/internal/text"
)

// stopTimeout bounds the end of one container: more than the grace that
// docker-compose.yml gives it before Docker kills it (15 s).
const stopTimeout = 40 * time.Second

// Down ends the lab and removes its containers and networks, and with volumes
// its mail and keys. kill ends the nodes as a power failure does.
//
// The containers end one after another. Docker (20.10 to 28 at least) loses
// count of a network's containers when several leave it at the same time, and
// never removes that network again (moby issue 43286).
func (p *Project) Down(ctx context.Context, volumes, kill bool) error {
	verb := "stop"
	if kill {
		verb = "kill"
	}
	if err := p.eachContainer(ctx, verb); err != nil {
		return err
	}
	args := []string{"down", "--remove-orphans"}
	if volumes {
		args = append(args, "--volumes")
	}
	err := p.Run(ctx, args...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	left := p.sweep(ctx, volumes)
	if _, told := errors.AsType[*text.Error](left); left == nil || told {
		return left // nothing, or what Compose does not know
	}
	return err
}

// eachContainer stops or kills what runs of the project, one at a time.
func (p *Project) eachContainer(ctx context.Context, verb string) error {
	ids, err := p.list(ctx, "docker", "ps", "--quiet")
	if err != nil {
		return text.Errorf(noEngine, err)
	}
	for _, id := range ids {
		_, err := outputWithin(ctx, stopTimeout, []string{"docker", verb, id})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && p.runs(ctx, id): // else it ended by itself in the meantime
			return text.Errorf(composeFailed, "docker "+verb+" "+id, err)
		}
	}
	return nil
}

// runs reports whether a container is running.
func (p *Project) runs(ctx context.Context, id string) bool {
	state, err := output(ctx, []string{"docker", "inspect", "--format", "{{.State.Running}}", id})
	return err == nil && strings.TrimSpace(state) == "true"
}

// list runs a listing command of docker's on what belongs to the project.
func (p *Project) list(ctx context.Context, command ...string) ([]string, error) {
	out, err := output(ctx, append(command, "--filter", "label=com.docker.compose.project="+p.name()))
	return strings.Fields(out), err
}

// sweep removes the networks, and with volumes the volumes, that a Compose
// which gave up half-way left. It goes on after a failure; the error is a
// *text.Error when it is known what holds a network.
func (p *Project) sweep(ctx context.Context, volumes bool) error {
	containers, err := p.list(ctx, "docker", "ps", "--all", "--quiet")
	switch {
	case err != nil:
		return fmt.Errorf("list containers: %w", err)
	case len(containers) > 0:
		return fmt.Errorf("containers are left: %s", strings.Join(containers, " "))
	}
	networks, err := p.list(ctx, "docker", "network", "ls", "--format", "{{.Name}}")
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	var first error
	for _, network := range networks {
		if _, err := output(ctx, []string{"docker", "network", "rm", network}); err != nil && first == nil {
			first = p.holder(ctx, network, err)
		}
	}
	if !volumes {
		return first
	}
	names, err := p.list(ctx, "docker", "volume", "ls", "--format", "{{.Name}}")
	if err != nil {
		return cmp.Or(first, fmt.Errorf("list volumes: %w", err))
	}
	for _, volume := range names {
		if _, err := output(ctx, []string{"docker", "volume", "rm", volume}); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// holder says what keeps a network from being removed: a container that is
// not the lab's, or nothing but Docker's wrong count of them.
func (p *Project) holder(ctx context.Context, network string, refusal error) error {
	const format = "{{range .Containers}}{{.Name}} {{end}}"
	names, err := output(ctx, []string{"docker", "network", "inspect", "--format", format, network})
	switch {
	case err != nil || !strings.Contains(refusal.Error(), "active endpoints"):
		return refusal
	case strings.TrimSpace(names) == "":
		return text.Errorf(networkMiscounted, network)
	}
	return text.Errorf(networkInUse, network, strings.Join(strings.Fields(names), ", "))
}
