package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"correio/services/internal/text"
)

// asCommand makes the test binary the command itself: `run` starts its own
// program again, and some tests want a process of their own.
const asCommand = "CORREIO_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command is the test binary as `correio`.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "LC_ALL=C", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// result is what one command line did.
type result struct {
	status         int
	stdout, stderr string
}

func execute(t *testing.T, environ []string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), args, environ, strings.NewReader(stdin), &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// nobody is a lab's address at which nothing answers.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	return "http://" + ln.Addr().String()
}

func TestMistakesAreOneLineInBothLanguages(t *testing.T) {
	lab := nobody(t)
	tests := []struct {
		name   string
		args   string
		status int
		en, pt string // what the first line says
	}{
		{"unknown command", "snd", exitUsage, `unknown command "snd"`, `comando desconhecido "snd"`},
		{"misspelt command", "statu", exitUsage, "did you mean: status?", "você quis dizer: status?"},
		{"unknown flag", "send --nope", exitUsage, "unknown flag --nope", "opção desconhecida --nope"},
		{"unknown short flag", "send -z", exitUsage, "unknown flag -z", "opção desconhecida -z"},
		{"flag without a value", "send --from", exitUsage, "flag --from needs a value", "a opção --from precisa de um valor"},
		{"flag with a wrong value", "status --timeout soon", exitUsage, `flag --timeout does not take "soon"`, `a opção --timeout não aceita "soon"`},
		{"flag with no number", "queue --limit x", exitUsage, `flag --limit does not take "x": it takes a whole number`, `a opção --limit não aceita "x": ela aceita um número inteiro`},
		{"flag with no duration", "trace --last --timeout 30", exitUsage, `"30": it takes a duration such as 30s or 5m`, `"30": ela aceita uma duração, como 30s ou 5m`},
		{"switch with a value", "send --verbose=perhaps", exitUsage, `"perhaps": it takes true or false`, `"perhaps": ela aceita true ou false`},
		{"recipient that no list of commas can have", `send --from a@aurora.test --to "x"y@boreal.test`, exitUsage, `is not a mail address`, `não é um endereço de correio`},
		{"recipients with commas", "send --from a@aurora.test --to b@boreal.test,c@boreal.test", exitUsage, `is not a mail address`, `não é um endereço de correio`},
		{"unknown language", "status --lang tlh", exitUsage, `--lang takes en or pt-BR, not "tlh"`, `--lang`},
		{"too few arguments", "talk mx1.boreal.test", exitUsage, "an argument is missing", "falta um argumento"},
		{"too many arguments", "status now", exitUsage, `one argument too many: "now"`, `argumento a mais: "now"`},
		{"no recipient", "send --from ana@aurora.test", exitUsage, "--from and --to are needed", "--from e --to são necessários"},
		{"unknown mechanism", "fetch a@aurora.test --auth ntlm", exitUsage, "--auth ntlm: want one of user, plain", "--auth ntlm: use um destes: user, plain"},
		{"wrong wish", "send --from a@aurora.test --to b@boreal.test --notify always", exitUsage, `not "always"`, `não "always"`},
		{"wrong return", "send --from a@aurora.test --to b@boreal.test --ret none", exitUsage, "full or hdrs", "full ou hdrs"},
		{"wrong envelope id", "send --from a@aurora.test --to b@boreal.test --envid ç", exitUsage, "printable ASCII", "ASCII imprimíveis"},
		{"exclusive flags", "talk mx1.boreal.test 25 --tls --starttls", exitUsage, "exclude each other", "se excluem"},
		{"no message named", "trace", exitUsage, "say --last", "use --last"},
		{"message named twice", "trace m@x --last", exitUsage, "say --last", "use --last"},
		{"message without a name", "trace <>", exitUsage, "say --last", "use --last"},
		{"wrong wait", "trace --last --wait read", exitUsage, "delivered, bounced or any", "delivered, bounced ou any"},
		{"command without dashes", "run bash", exitUsage, "correio run -- bash", "correio run -- bash"},
		{"wrong ports", "run --ports maybe", exitUsage, "--ports takes on or off", "--ports aceita on ou off"},
		{"wrong speed", "run --speed 0", exitUsage, `speed "0"`, `velocidade "0"`},
		{"wrong lab", "status --lab ftp://x", exitUsage, "is not the address of a lab", "não é o endereço de um laboratório"},
		{"unknown shell", "completion csh", exitUsage, "unknown shell", "shell desconhecido"},
		{"unknown role", "node postman --dir x --name y", exitUsage, `unknown role "postman"`, `papel desconhecido "postman"`},
		{"node without a name", "node mta --dir x", exitUsage, "--dir and --name are needed", "--dir e --name são necessários"},
		{"node that is not there", "node mta --dir ../../deploy/aurora --name mx7.aurora.test", exitFailed, "has no host mx7.aurora.test", "não tem o host mx7.aurora.test"},
		{"not a question", "dig ++", exitUsage, "not a question: unknown option ++", "não é uma pergunta: opção desconhecida ++"},
		{"a question without a name", "dig", exitUsage, "no name is given", "falta o nome"},
		{"reverse of a name", "dig -x boreal.test", exitUsage, `"boreal.test" is not an IP address`, `"boreal.test" não é um endereço IP`},
		{"a name and an address", "dig boreal.test -x 198.18.2.25", exitUsage, "either a name", "ou um nome"},
		{"a port that is none", "talk mx1.boreal.test smtp", exitUsage, `PORT is "smtp"`, `PORT é "smtp"`},
		{"a host that is none", "talk mx1..test 25", exitUsage, `"mx1..test" is not a host name`, `"mx1..test" não é um nome de host`},
		{"a way that is none", "dig boreal.test --via -", exitUsage, `"-" is not a host name`, `"-" não é um nome de host`},
		{"a node that is none", "down mx1..test", exitUsage, `"mx1..test" is not a host name`, `"mx1..test" não é um nome de host`},
		{"a recipient that is none", "send --from a@aurora.test --to b@", exitUsage, `"b@" is not a mail address: not an address`, `"b@" não é um endereço de correio: não é um endereço`},
		{"a wait that is too long", "trace --last --timeout 11m", exitUsage, "up to 10m0s", "até 10m0s"},
		{"a wait that is none", "status --timeout 0s", exitUsage, "above 0", "maior que 0"},
		{"a file that is not there", "send --from a@aurora.test --to b@boreal.test --eml /nope.eml", exitFailed, "there is no file /nope.eml", "não existe o arquivo /nope.eml"},
		{"no lab: status", "status --lab " + lab, exitNotRunning, "no lab answers at " + lab, "nenhum laboratório responde em " + lab},
		{"no lab: send", "send --from a@aurora.test --to b@boreal.test --lab " + lab, exitNotRunning, "./scripts/up", "./scripts/up"},
		{"no lab: fetch", "fetch a@aurora.test --lab " + lab, exitNotRunning, "no lab answers", "nenhum laboratório"},
		{"no lab: talk", "talk mx1.boreal.test 25 --lab " + lab, exitNotRunning, "no lab answers", "nenhum laboratório"},
		{"no lab: dig", "dig boreal.test --lab " + lab, exitNotRunning, "no lab answers", "nenhum laboratório"},
		{"no lab: trace", "trace --last --lab " + lab, exitNotRunning, "no lab answers", "nenhum laboratório"},
		{"no lab: stop a node", "down mx1.boreal.test --lab " + lab, exitNotRunning, "no lab answers", "nenhum laboratório"},
		{"unknown code", "codes 299", exitUsage, `never say "299"`, `nunca dizem "299"`},
		{"code that is no number", "codes 45x", exitUsage, `never say "45x"`, `nunca dizem "45x"`},
		{"try which code", "codes --try", exitUsage, "--try wants a code", "--try pede um código"},
		{"code without a recipe", "codes 454 --try", exitUsage, "no dialogue with a server provokes 454", "nenhum diálogo com um servidor provoca o 454"},
		{"no lab: try a code", "codes 451 --try --lab " + lab, exitNotRunning, "no lab answers", "nenhum laboratório"},
		{"no lab directory", "run --dir /no/lab/here -- true", exitFailed, "/no/lab/here", "/no/lab/here"},
		{"volumes of a node", "down --volumes mx1.boreal.test", exitUsage, "whole lab", "laboratório inteiro"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for lang, want := range map[string]string{"en": tt.en, "pt-BR": tt.pt} {
				got := execute(t, nil, "", append([]string{"--lang", lang}, strings.Fields(tt.args)...)...)
				first, _, _ := strings.Cut(got.stderr, "\n")
				if got.status != tt.status || !strings.Contains(first, want) {
					t.Errorf("%s in %s: status %d, stderr %q; want %d, %q", tt.args, lang, got.status, got.stderr, tt.status, want)
				}
				if got.stdout != "" {
					t.Errorf("%s in %s: talk on stdout: %q", tt.args, lang, got.stdout)
				}
				if lines := strings.Count(strings.TrimSpace(got.stderr), "\n"); lines > 1 {
					t.Errorf("%s in %s: %d lines:\n%s", tt.args, lang, lines+1, got.stderr)
				}
			}
		})
	}
}

func TestTheLanguageIsTheFlagsThenTheSettingsThenTheLocales(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    text.Lang
	}{
		{"nothing", nil, nil, text.English},
		{"locale", []string{"LANG=pt_BR.UTF-8"}, nil, text.Portuguese},
		{"setting before locale", []string{"LANG=pt_BR.UTF-8", "CORREIO_LANG=en"}, nil, text.English},
		{"flag before setting", []string{"CORREIO_LANG=en"}, []string{"--lang", "pt-BR"}, text.Portuguese},
		{"flag with equals", nil, []string{"status", "--lang=pt"}, text.Portuguese},
		{"flag of the command in run", nil, []string{"run", "--", "--lang", "pt"}, text.English},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&app{environ: tt.environ}).language(tt.args); got != tt.want {
				t.Errorf("language(%v, %v) = %s, want %s", tt.environ, tt.args, got, tt.want)
			}
		})
	}
}

func TestSettingsOfTheEnvironmentStandForFlags(t *testing.T) {
	setting, flag := nobody(t), nobody(t)
	environ := []string{"CORREIO_LAB=" + setting}
	if got := execute(t, environ, "", "status"); !strings.Contains(got.stderr, setting) {
		t.Errorf("with CORREIO_LAB: %q, want it to ask %s", got.stderr, setting)
	}
	if got := execute(t, environ, "", "status", "--lab", flag); !strings.Contains(got.stderr, flag) {
		t.Errorf("with --lab as well: %q, want it to ask %s", got.stderr, flag)
	}
	got := execute(t, []string{"CORREIO_TIMEOUT=soon"}, "", "status")
	if got.status != exitUsage || !strings.Contains(got.stderr, `CORREIO_TIMEOUT does not take "soon": it takes a duration`) {
		t.Errorf("with a wrong setting: %+v, want status %d and its name", got, exitUsage)
	}
}

// TestEveryVerbHasHelpInBothLanguages walks the whole tree.
func TestEveryVerbHasHelpInBothLanguages(t *testing.T) {
	en, pt := (&app{lang: text.English}).root(), (&app{lang: text.Portuguese}).root()
	verbs := en.Commands()
	if len(verbs) < 12 {
		t.Fatalf("%d verbs, want at least the twelve of the issue", len(verbs))
	}
	for i, verb := range verbs {
		other := pt.Commands()[i]
		if verb.Short == "" || verb.Short == other.Short {
			t.Errorf("%s: help %q and %q, want one in each language", verb.Name(), verb.Short, other.Short)
		}
		if !verb.Hidden && verb.Name() != "help" && verb.Name() != "version" && verb.Example == "" {
			t.Errorf("%s has no example", verb.Name())
		}
		sameInBoth(t, verb, other)
	}
	for _, lang := range []string{"en", "pt-BR"} {
		got := execute(t, nil, "", "--lang", lang, "send", "-h")
		if got.status != exitOK || got.stderr != "" || !strings.Contains(got.stdout, "correio send --from") {
			t.Errorf("help of send in %s: %+v", lang, got)
		}
	}
	if got := execute(t, nil, "", "--lang=pt", "help", "run"); strings.Contains(got.stdout, "Usage") || !strings.Contains(got.stdout, "Uso:\n  correio run [-- COMANDO ...]") {
		t.Errorf("help in Portuguese speaks English:\n%s", got.stdout)
	}
}

// sameInBoth finds flags whose help was not translated.
func sameInBoth(t *testing.T, en, pt *cobra.Command) {
	t.Helper()
	en.Flags().VisitAll(func(f *pflag.Flag) {
		if other := pt.Flags().Lookup(f.Name); !en.Hidden && f.Usage == other.Usage {
			t.Errorf("%s --%s: %q in both languages", en.Name(), f.Name, f.Usage)
		}
	})
}

func TestWithoutArgumentsThereIsHelp(t *testing.T) {
	got := execute(t, nil, "")
	if got.status != exitOK || !strings.Contains(got.stdout, "Examples:") || !strings.Contains(got.stdout, "Exit status:") {
		t.Errorf("correio alone: %+v", got)
	}
	for _, hidden := range []string{"node", "health", "keys", "inside"} {
		if strings.Contains(got.stdout, "\n  "+hidden+" ") {
			t.Errorf("help shows %s, which is for programs", hidden)
		}
	}
}

func TestVersionAndCompletion(t *testing.T) {
	if got := execute(t, nil, "", "version"); got.status != exitOK || !strings.HasPrefix(got.stdout, "correio dev (go1.") {
		t.Errorf("version: %+v", got)
	}
	if got := execute(t, nil, "", "version", "--json"); !strings.HasPrefix(got.stdout, `{"version":"dev","go":"go1.`) {
		t.Errorf("version --json: %+v", got)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := execute(t, nil, "", "completion", shell); got.status != exitOK || len(got.stdout) < 1000 {
			t.Errorf("completion %s: status %d, %d octets", shell, got.status, len(got.stdout))
		}
	}
}

func TestCheck(t *testing.T) {
	if got := execute(t, nil, "", "check", "../../deploy"); got.status != exitOK || got.stdout != "" {
		t.Errorf("check of the repository's lab: %+v, want no faults", got)
	}
	if got := execute(t, nil, "", "check", "../../deploy", "--json"); got.status != exitOK || got.stdout != `{"faults":[]}`+"\n" {
		t.Errorf("check --json without a fault: %+v", got)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../deploy")); err != nil {
		t.Fatal(err)
	}
	file := dir + "/boreal/org.yaml"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(data, "colour: blue\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	got := execute(t, nil, "", "check", dir)
	if got.status != exitFailed || !strings.HasPrefix(got.stdout, file+":") || !strings.Contains(got.stdout, "colour") {
		t.Errorf("check: %+v, want the place of the unknown key", got)
	}
	if got := execute(t, nil, "", "check", dir, "--json"); !strings.HasPrefix(got.stdout, `{"faults":[{"file":"`+file+`","line":`) {
		t.Errorf("check --json: %+v", got)
	}
	if got := execute(t, nil, "", "run", "--dir", dir, "--", "true"); got.status != exitFailed || !strings.Contains(got.stderr, file+":") {
		t.Errorf("run of a lab with a fault: %+v, want the fault", got)
	}
}

func TestHealthReadsTheNodesOwnCommandLine(t *testing.T) {
	tests := []struct {
		line string
		want nodeFlags
		ok   bool
	}{
		{"/correio\x00node\x00mta\x00--dir\x00/lab/aurora\x00--name\x00mx1.aurora.test\x00", nodeFlags{"/lab/aurora", "mx1.aurora.test", "/keys"}, true},
		{"correio\x00node\x00mta\x00--speed=60\x00--name=mx1\x00--dir=d\x00--keys=k\x00", nodeFlags{"d", "mx1", "k"}, true},
		{"/sbin/init\x00", nodeFlags{}, false},
		{"correio\x00node\x00mta\x00--dir\x00d\x00", nodeFlags{}, false},
		{"", nodeFlags{}, false},
	}
	for _, tt := range tests {
		got := nodeFlags{keys: "/keys"}
		if ok := got.fromCommandLine([]byte(tt.line)); ok != tt.ok || ok && got != tt.want {
			t.Errorf("fromCommandLine(%q) = %+v, %v, want %+v, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

func TestInterruptedCommandsSaySo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if got := run(ctx, []string{"status", "--lab", nobody(t)}, nil, strings.NewReader(""), &stdout, &stderr); got != exitInterrupted {
		t.Errorf("status %d, want %d; stderr %q", got, exitInterrupted, stderr.String())
	}
}

func timeOf(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestMboxQuotesLinesThatLookLikeItsOwn(t *testing.T) {
	at := timeOf(t, "2026-11-23T10:00:00Z")
	got := string(mbox("ana@aurora.test", []byte("Subject: x\r\n\r\nFrom here\r\n>From there\r\nend"), at))
	want := "From ana@aurora.test Mon Nov 23 10:00:00 2026\nSubject: x\n\n>From here\n>>From there\nend\n\n"
	if got != want {
		t.Errorf("mbox = %q, want %q", got, want)
	}
}

func TestFileNamesComeFromUniqueIDsAndStayInTheFolder(t *testing.T) {
	for uid, want := range map[string]string{"6b04901e00000001": "6b04901e00000001.eml", "../../etc/passwd": "______etc_passwd.eml", "": "3.eml", strings.Repeat("x", 300): strings.Repeat("x", 100) + ".eml"} {
		if got := fileName(2, uid); got != want {
			t.Errorf("fileName(2, %q) = %q, want %q", uid, got, want)
		}
	}
}
