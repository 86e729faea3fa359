package compose

import (
	"testing"

	"github.com/moby/moby/client"
)

// TestEveryServiceRuns is the first fact of a lab: what docker-compose.yml names is there and stays up, and a job (a
// service that is never restarted) has ended well.
func TestEveryServiceRuns(t *testing.T) {
	for _, service := range theLab.Services() {
		c, err := theLab.stack.ServiceContainer(t.Context(), service)
		if err != nil {
			t.Errorf("%s: %v", service, err)
			continue
		}
		info, err := theLab.docker.ContainerInspect(t.Context(), c.GetContainerID(), client.ContainerInspectOptions{})
		if err != nil {
			t.Errorf("%s: %v", service, err)
			continue
		}
		state, job := info.Container.State, info.Container.HostConfig.RestartPolicy.IsNone()
		if job && (state.Running || state.ExitCode != 0) {
			t.Errorf("%s: %s, exit code %d; want exited with 0", service, state.Status, state.ExitCode)
		}
		if !job && (!state.Running || info.Container.RestartCount > 0) {
			t.Errorf("%s: %s, restarted %d times; want running and never restarted",
				service, state.Status, info.Container.RestartCount)
		}
	}
}
