package lab_test

import (
	"fmt"
	"strings"
	"testing"

	"correio/services/internal/lab"
)

// chain is so many aliases, each of the next and the last of ana.
func chain(n int) string {
	var b strings.Builder
	for i := range n - 1 {
		fmt.Fprintf(&b, "\n  n%d: n%d", i, i+1)
	}
	return b.String() + fmt.Sprintf("\n  n%d: ana", n-1)
}

// wide is an alias of eight, each of eight, each of eight addresses elsewhere.
func wide() string {
	var b strings.Builder
	level := func(name, of, suffix string) {
		fmt.Fprintf(&b, "\n  %s: [", name)
		for i := range 8 {
			fmt.Fprintf(&b, "%s%d%s,", of, i, suffix)
		}
		b.WriteString("]")
	}
	level("n0", "a", "")
	for i := range 8 {
		level(fmt.Sprintf("a%d", i), "b", "")
		level(fmt.Sprintf("b%d", i), "x", "@boreal.test")
	}
	return b.String()
}

func TestFaultsOfAliasesAndLists(t *testing.T) {
	run(t, []faultCase{
		{"alias to nobody", "aurora/org.yaml", "postmaster: alice", "postmaster: alicia", []string{
			"aurora/org.yaml:35: the alias postmaster is for alicia, who is not among the people",
		}},
		{"alias by a reserved name", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  cheio: ana\n  mudou: ana", []string{
			"aurora/org.yaml:36: warning: cheio is a reserved local part (452 4.2.2: the mailbox is full); here it is this one, and does not answer so",
		}},
		{"reserved names for a list and with elsewhere", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  mudou: ana\nelsewhere: bruno@boreal.test\nlists:\n  - {address: erro, owner: ana, members: [alice]}", []string{
			"aurora/org.yaml:36: warning: mudou is a reserved local part (551 5.1.6: has moved to an address elsewhere); here it is this one, and does not answer so",
			"aurora/org.yaml:39: warning: erro is a reserved local part (451 4.3.0: an error of the server); here it is this one, and does not answer so",
		}},
		{"alias that is a person", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  ana: alice", []string{
			"aurora/org.yaml:36: ana is a person and cannot be an alias",
		}},
		{"alias to a stranger among others", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  todos:\n    - ana\n    - alicia", []string{
			"aurora/org.yaml:38: the alias todos is for alicia, who is not among the people",
		}},
		{"alias to what is no address", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  fora: bruno@", []string{
			"aurora/org.yaml:36: the alias fora is for bruno@, who is not among the people",
		}},
		{"alias to an address of this site", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  todos: [ana, alice@aurora.test]", []string{
			"aurora/org.yaml:36: alice@aurora.test is an address of this site; write its local part alone",
		}},
		{"alias to nobody at all", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  todos: []", []string{
			"aurora/org.yaml:36: todos is for nobody",
		}},
		{"alias without a value", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  todos:", []string{
			"aurora/org.yaml:36: \"todos\" must be a name, an address, or a list of them, not nothing",
			"aurora/org.yaml:36: todos is for nobody",
		}},
		{"alias to somebody twice", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  todos:\n    - ana\n    - ana", []string{
			"aurora/org.yaml:38: \"ana\" is given twice; first on line 37",
		}},
		{"alias of itself", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  eco: eco", []string{
			"aurora/org.yaml:36: mail for eco goes round in circles: eco → eco",
		}},
		{"circle of aliases and lists", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  a: [ana, b]\n  b: c\nlists:\n  - {address: c, owner: ana, members: [alice, a]}", []string{
			"aurora/org.yaml:36: mail for a goes round in circles: a → b → c → a",
			"aurora/org.yaml:37: mail for b goes round in circles: b → c → a → b",
			"aurora/org.yaml:39: mail for c goes round in circles: c → a → b → c",
		}},
		{"aliases too deep", "aurora/org.yaml", "postmaster: alice", "postmaster: alice" + chain(lab.MaxNesting+1), []string{
			"aurora/org.yaml:36: mail for n0 passes more than 10 aliases",
		}},
		{"aliases too wide", "aurora/org.yaml", "postmaster: alice", "postmaster: alice" + wide(), []string{
			"aurora/org.yaml:36: mail for n0 reaches more than 500 mailboxes",
		}},
		{"postmaster is nobody here", "aurora/org.yaml", "postmaster: alice", "postmaster: bruno@boreal.test", []string{
			"aurora/org.yaml:35: postmaster must lead to one person of this site: what nobody else could be told ends there",
		}},
		{"postmaster is several", "aurora/org.yaml", "postmaster: alice", "postmaster: [ana, alice]", []string{
			"aurora/org.yaml:35: postmaster must lead to one person of this site: what nobody else could be told ends there",
		}},
		{"list without members and owner", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nlists:\n  - {address: equipe}", []string{
			"aurora/org.yaml:37: \"owner\" is missing",
			"aurora/org.yaml:37: \"members\" is missing",
		}},
		{"list with wrong people", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nlists:\n  - {address: equipe, owner: bruno@boreal.test, members: [bruno]}", []string{
			"aurora/org.yaml:37: the owner of equipe is bruno@boreal.test, who is not a person of this site",
			"aurora/org.yaml:37: the list equipe has the member bruno, who is not among the people",
		}},
		{"list by the name of others", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  ana-owner: ana\nlists:\n  - {address: ana, owner: ana, members: [alice]}", []string{
			"aurora/org.yaml:38: ana is a person and cannot be an alias",
			"aurora/org.yaml:38: ana-owner is an alias already (line 36)",
		}},
		{"list by the name of another one's owner", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nlists:\n  - {address: dev, owner: ana, members: [alice]}\n  - {address: dev-owner, owner: ana, members: [alice]}", []string{
			"aurora/org.yaml:37: dev-owner is a list already (line 38)",
		}},
		{"list whose owner has too long a name", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nlists:\n  - {address: " + strings.Repeat("l", 59) + ", owner: ana, members: [alice]}", []string{
			"aurora/org.yaml:37: \"" + strings.Repeat("l", 59) + "\" cannot be a list: reports go to " + strings.Repeat("l", 59) + "-owner, which has more than 64 octets",
		}},
		{"list that List-Id cannot have", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nlists:\n  - {address: ação, owner: ana, members: [alice]}", []string{
			"aurora/org.yaml:37: \"ação\" cannot be a list: its name goes into List-Id (RFC 2919), which has letters, digits, hyphens and dots",
		}},
		{"list twice", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nlists:\n  - {address: eq, owner: ana, members: [alice]}\n  - {address: eq, owner: ana, members: [alice]}", []string{
			"aurora/org.yaml:38: \"eq\" is given twice; first on line 37",
		}},
	})
}
