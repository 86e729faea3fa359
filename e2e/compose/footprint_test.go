package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

const mib = 1 << 20

func TestImageIsUnder30MB(t *testing.T) {
	info, err := theLab.docker.ImageInspect(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("image: %.1f MB", float64(info.Size)/1e6)
	if info.Size >= 30e6 {
		t.Errorf("the image has %d octets, want under 30 MB", info.Size)
	}
}

func TestIdleNodesAreSmall(t *testing.T) {
	for service, used := range theLab.idle {
		t.Logf("%-12s %.1f MiB", service, float64(used)/mib)
		if used >= 15*mib {
			t.Errorf("%s holds %.1f MiB, want under 15", service, float64(used)/mib)
		}
	}
	if len(theLab.idle) < 19 {
		t.Errorf("%d containers were weighed, want all nodes", len(theLab.idle))
	}
}

// weigh notes what each running container holds in memory, without the page
// cache, which the kernel takes back when it wants to.
func (l *lab) weigh(ctx context.Context) error {
	l.idle = map[string]uint64{}
	containers, err := l.docker.ContainerList(ctx, client.ContainerListOptions{Filters: ours()})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	for _, c := range containers.Items {
		result, err := l.docker.ContainerStats(ctx, c.ID, client.ContainerStatsOptions{})
		if err != nil {
			return fmt.Errorf("weigh: %w", err)
		}
		var stats container.StatsResponse
		err = json.NewDecoder(result.Body).Decode(&stats)
		result.Body.Close()
		if err != nil {
			return fmt.Errorf("weigh: %w", err)
		}
		used := stats.MemoryStats.Usage - min(stats.MemoryStats.Usage, cache(stats.MemoryStats.Stats))
		l.idle[c.Labels["com.docker.compose.service"]] = used
	}
	return nil
}

// cache is what `docker stats` takes off: inactive file pages, which cgroup v1
// and v2 name differently.
func cache(stats map[string]uint64) uint64 {
	if v, ok := stats["total_inactive_file"]; ok {
		return v
	}
	return stats["inactive_file"]
}
