package lab_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"correio/services/internal/lab"
)

// composeFile is what the lab uses of docker-compose.yml. Unknown keys are faults:
// what is added there must be looked at here.
type composeFile struct {
	Services map[string]composeService `yaml:"services"`
	Networks map[string]struct {
		Internal bool `yaml:"internal"`
		IPAM     struct {
			Config []map[string]string `yaml:"config"`
		} `yaml:"ipam"`
		DriverOpts map[string]string `yaml:"driver_opts"`
	} `yaml:"networks"`
	Volumes    map[string]struct{} `yaml:"volumes"`
	Extensions map[string]any      `yaml:",inline"`
}

type composeService struct {
	Image       string                       `yaml:"image"`
	PullPolicy  string                       `yaml:"pull_policy"`
	Build       map[string]any               `yaml:"build"`
	Command     []string                     `yaml:"command"`
	User        string                       `yaml:"user"`
	ReadOnly    bool                         `yaml:"read_only"`
	CapDrop     []string                     `yaml:"cap_drop"`
	CapAdd      []string                     `yaml:"cap_add"`
	SecurityOpt []string                     `yaml:"security_opt"`
	Tmpfs       []string                     `yaml:"tmpfs"`
	Environment map[string]string            `yaml:"environment"`
	MemLimit    string                       `yaml:"mem_limit"`
	PidsLimit   int                          `yaml:"pids_limit"`
	Restart     string                       `yaml:"restart"`
	StopGrace   string                       `yaml:"stop_grace_period"`
	DependsOn   map[string]map[string]string `yaml:"depends_on"`
	Healthcheck map[string]any               `yaml:"healthcheck"`
	Logging     struct {
		Driver  string            `yaml:"driver"`
		Options map[string]string `yaml:"options"`
	} `yaml:"logging"`
	Labels      map[string]string            `yaml:"labels"`
	NetworkMode string                       `yaml:"network_mode"`
	Networks    map[string]map[string]string `yaml:"networks"`
	Volumes     []string                     `yaml:"volumes"`
	Ports       []string                     `yaml:"ports"`
}

func readCompose(t *testing.T) (composeFile, *lab.Lab) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c composeFile
	if err := yaml.Load(data, &c, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	for key := range c.Extensions {
		if !strings.HasPrefix(key, "x-") {
			t.Errorf("top-level key %q: docker-compose 1.29.2 may refuse it", key)
		}
	}
	l, err := lab.Load(deploy)
	if err != nil {
		t.Fatal(err)
	}
	return c, l
}

// serviceOf names a host's service: SITE-HOST, or what comes first of the two where
// a site of the infrastructure needs no more.
func serviceOf(o *lab.Org, h lab.Host) string {
	site, host := filepath.Base(o.Dir), strings.Split(h.Name, ".")[0]
	switch {
	case o.Domain != "":
		return site + "-" + host
	case len(o.Hosts) > 1:
		return host
	}
	return site
}

// equal compares what a service has with what its host asks for.
func equal(t *testing.T, service, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: %s is\n\t%s\nwant\n\t%s", service, what, g, w)
	}
}

func TestComposeRunsEveryHostAsItsOrgYAMLSays(t *testing.T) {
	c, l := readCompose(t)
	want := []string{"keys", "observatory"}
	for _, o := range l.Orgs {
		for _, h := range o.Hosts {
			name := serviceOf(o, h)
			want = append(want, name)
			site := filepath.Base(o.Dir)
			s := c.Services[name]
			equal(t, name, "command", s.Command, []string{"node", string(h.Role), "--dir", "/lab/" + site, "--name", h.Name})
			nets := map[string]map[string]string{}
			for net, a := range map[string]fmt.Stringer{"internet": h.Internet, "lan-" + site: h.LAN, "control": h.Control} {
				if a.String() != "invalid IP" {
					nets[net] = map[string]string{"ipv4_address": a.String()}
				}
			}
			equal(t, name, "networks", s.Networks, nets)
			equal(t, name, "volumes", s.Volumes, mountsOf(o, h, name))
			equal(t, name, "ports", s.Ports, []string{})
		}
	}
	slices.Sort(want)
	equal(t, "docker-compose.yml", "services", slices.Sorted(maps.Keys(c.Services)), want)
}

// mountsOf is everything that a host may see: its site's folder and keys, the
// folders of zones that lie elsewhere, and, if it keeps mail, a volume of its own.
func mountsOf(o *lab.Org, h lab.Host, service string) []string {
	site := filepath.Base(o.Dir)
	mounts := []string{fmt.Sprintf("./deploy/%s:/lab/%[1]s:ro", site)}
	for _, z := range h.Zones {
		if other, found := strings.CutPrefix(filepath.Dir(z.File), "../"); found {
			mounts = append(mounts, fmt.Sprintf("./deploy/%s:/lab/%[1]s:ro", other))
		}
	}
	mounts = append(mounts, fmt.Sprintf("./deploy/%s/resolv.conf:/etc/resolv.conf:ro", site), fmt.Sprintf("keys-%s:/keys:ro", site))
	if h.Role == lab.RoleMTA || h.Role == lab.RoleMDA {
		mounts = append(mounts, fmt.Sprintf("data-%s:/var/lib/correio", service))
	}
	return mounts
}

func TestComposeGivesNoContainerMoreThanItNeeds(t *testing.T) {
	c, _ := readCompose(t)
	builds := 0
	for name, s := range c.Services {
		equal(t, name, "image", s.Image+" "+s.PullPolicy, "correio:local never")
		equal(t, name, "user", s.User, "10001:10001")
		equal(t, name, "read_only", s.ReadOnly, true)
		equal(t, name, "cap_drop", s.CapDrop, []string{"ALL"})
		equal(t, name, "cap_add", s.CapAdd, []string{"NET_BIND_SERVICE"})
		equal(t, name, "security_opt", s.SecurityOpt, []string{"no-new-privileges:true"})
		equal(t, name, "logging", s.Logging.Driver, "json-file")
		if s.MemLimit == "" || s.PidsLimit == 0 || s.Logging.Options["max-size"] == "" || s.Logging.Options["max-file"] == "" {
			t.Errorf("%s: memory, processes or logs without a limit", name)
		}
		equal(t, name, "label", s.Labels["org.correio.lab"], "correio")
		if s.Build != nil {
			builds++
		}
		if name == "keys" {
			equal(t, name, "network_mode", s.NetworkMode, "none")
			continue
		}
		equal(t, name, "depends_on", s.DependsOn, map[string]map[string]string{"keys": {"condition": "service_completed_successfully"}})
		equal(t, name, "healthcheck", s.Healthcheck["test"], []string{"CMD", "/correio", "health"})
	}
	equal(t, "docker-compose.yml", "number of services that build", builds, 1)
}

func TestComposeNetworksAreClosedAndAsOrgYAMLSays(t *testing.T) {
	c, l := readCompose(t)
	want := map[string]string{}
	for _, o := range l.Orgs {
		want["internet"], want["control"] = o.Networks.Internet.String(), o.Networks.Control.String()
		if o.Networks.LAN.IsValid() {
			want["lan-"+filepath.Base(o.Dir)] = o.Networks.LAN.String()
		}
	}
	got := map[string]string{}
	for name, n := range c.Networks {
		if name == "front" {
			equal(t, name, "masquerading", n.DriverOpts["com.docker.network.bridge.enable_ip_masquerade"], "false")
			continue
		}
		got[name] = n.IPAM.Config[0]["subnet"]
		equal(t, name, "internal", n.Internal, true)
		equal(t, name, "address of the host", n.DriverOpts["com.docker.network.bridge.inhibit_ipv4"], "true")
	}
	equal(t, "docker-compose.yml", "networks", got, want)
}

func TestComposePublishesTheUserPortsOnLoopbackAlone(t *testing.T) {
	c, l := readCompose(t)
	s := c.Services["observatory"]
	want := []string{"127.0.0.1:${LAB_HTTP_PORT:-8080}:8080"}
	for _, p := range l.Observatory.UserPorts {
		want = append(want, fmt.Sprintf("127.0.0.1:%d:%[1]d", p.Port))
	}
	equal(t, "observatory", "ports", s.Ports, want)
	equal(t, "observatory", "command", s.Command, []string{"node", "observatory", "--dir", "/lab", "--name", l.Observatory.Name})
	equal(t, "observatory", "networks", s.Networks, map[string]map[string]string{
		"control": {"ipv4_address": l.Observatory.Control.String()}, "front": {},
	})
	equal(t, "observatory", "volumes", s.Volumes, []string{
		"./deploy:/lab:ro", "./deploy/resolver/resolv.conf:/etc/resolv.conf:ro", "keys-observatory:/keys:ro",
	})
}

func TestComposeMakesTheKeysOfEverySite(t *testing.T) {
	c, l := readCompose(t)
	want := []string{"./deploy:/lab:ro", "keys-ca:/keys/ca", "keys-observatory:/keys/observatory"}
	for _, site := range l.Sites {
		want = append(want, fmt.Sprintf("keys-%s:/keys/%[1]s", site))
	}
	s := c.Services["keys"]
	equal(t, "keys", "volumes", s.Volumes, want)
	equal(t, "keys", "command", s.Command, []string{"keys", "--dir", "/lab", "--out", "/keys"})
	used := map[string]struct{}{}
	for _, s := range c.Services {
		for _, m := range s.Volumes {
			if volume, _, _ := strings.Cut(m, ":"); !strings.HasPrefix(volume, ".") {
				used[volume] = struct{}{}
			}
		}
	}
	equal(t, "docker-compose.yml", "volumes", c.Volumes, used)
}

// The engine's resolver answers for names of services and aliases, so none may be
// one of the lab's.
func TestComposeNamesNothingAsTheLabDoes(t *testing.T) {
	c, l := readCompose(t)
	for name := range c.Services {
		if _, ok := l.Host(name); ok || strings.Contains(name, ".") {
			t.Errorf("service %s: the engine would answer for that name", name)
		}
	}
}

func TestResolvConfNamesTheSitesResolver(t *testing.T) {
	l, err := lab.Load(deploy)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range l.Orgs {
		data, err := os.ReadFile(filepath.Join(o.Dir, "resolv.conf"))
		if err != nil {
			t.Fatal(err)
		}
		want := "nameserver 198.18.0.8\n"
		if o.Resolver.IsValid() {
			want = "nameserver " + o.Resolver.String() + "\n"
		}
		if strings.Count(string(data), "\nnameserver ") != 1 || !strings.Contains(string(data), want) {
			t.Errorf("%s/resolv.conf is\n%s\nwant it to say %q and name no other", o.Dir, data, want)
		}
	}
}
