package lab_test

import "testing"

func TestFaultsOfZones(t *testing.T) {
	run(t, []faultCase{
		{"zone file missing", "aurora/org.yaml", "file: aurora.test.zone", "file: aurora.zone", []string{
			"aurora/org.yaml:16: there is no file aurora/aurora.zone",
		}},
		{"syntax error", "aurora/aurora.test.zone", "mda             A   198.19.1.110", "mda             A   198.19.1", []string{
			"aurora/aurora.test.zone:7: zone syntax: bad A A: \"198.19.1\"",
		}},
		{"no SOA", "aurora/aurora.test.zone", "@               SOA ns postmaster 1 2 3 4 5\n", "@", []string{
			"aurora/aurora.test.zone:1: the zone aurora.test has no SOA record",
		}},
		{"two SOA", "aurora/aurora.test.zone", "                NS  ns", "                SOA ns postmaster 1 2 3 4 5\n                NS  ns", []string{
			"aurora/aurora.test.zone:3: a second SOA record; first on line 2",
		}},
		{"SOA below the top", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             SOA ns postmaster 1 2 3 4 5", []string{
			"aurora/aurora.test.zone:9: a SOA record belongs to aurora.test, not to pop.aurora.test",
		}},
		{"no NS", "aurora/aurora.test.zone", "                NS  ns\n", "", []string{
			"aurora/aurora.test.zone:1: the zone aurora.test has no NS record",
			"core/test.zone:6: aurora.test is delegated to ns.aurora.test, which the zone's own NS records do not name (aurora/aurora.test.zone)",
		}},
		{"record of another zone", "aurora/aurora.test.zone", "pop             CNAME mda", "pop.boreal.test. A 198.19.1.110", []string{
			"aurora/aurora.test.zone:9: pop.boreal.test is outside the zone aurora.test",
		}},
		{"alias with other records", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             CNAME mda\npop             TXT x", []string{
			"aurora/aurora.test.zone:10: pop.aurora.test is an alias (CNAME, line 9) and can have no other record (RFC 1034 section 3.6.2)",
		}},
		{"alias that leads nowhere", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             CNAME mdb", []string{
			"aurora/aurora.test.zone:9: warning: the alias pop.aurora.test leads to mdb.aurora.test, which does not exist",
		}},
		{"MX to a name without address", "aurora/aurora.test.zone", "MX  10 mx1", "MX  10 mx1\n                MX 20 mx9.boreal.test.", []string{
			"aurora/aurora.test.zone:5: the MX of aurora.test names mx9.boreal.test, which has no address",
			"aurora/aurora.test.zone:5: the MX of aurora.test names mx9.boreal.test, which is not one of its hosts of role mta (aurora/org.yaml)",
		}},
		{"MX to an alias", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             CNAME mda\nx MX 1 pop", []string{
			"aurora/aurora.test.zone:10: warning: the MX of x.aurora.test names the alias pop.aurora.test (RFC 2181 section 10.3: it must not)",
		}},
		{"MX to an alias in another zone", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             CNAME mda\nx MX 1 y\ny CNAME mx1.boreal.test.", []string{
			"aurora/aurora.test.zone:10: warning: the MX of x.aurora.test names the alias y.aurora.test (RFC 2181 section 10.3: it must not)",
		}},
		{"MX to an address by a wildcard", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             CNAME mda\nx MX 1 y.any", nil},
		{"MX to a name that only has names below it", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             CNAME mda\nx MX 1 any", []string{
			"aurora/aurora.test.zone:10: the MX of x.aurora.test names any.aurora.test, which has no address",
		}},
		{"aliases in a circle", "aurora/aurora.test.zone", "pop             CNAME mda", "pop CNAME pup\npup CNAME pop\nx MX 1 pop", []string{
			"aurora/aurora.test.zone:11: the MX of x.aurora.test names pop.aurora.test, which has no address",
		}},
		{"null MX beside others", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             CNAME mda\nx MX 0 .\nx MX 1 mx1", []string{
			"aurora/aurora.test.zone:10: MX \".\" means that x.aurora.test takes no mail, yet it has other MX records (RFC 7505 section 3)",
		}},
		{"null MX", "aurora/aurora.test.zone", "pop             CNAME mda", "pop             CNAME mda\nx MX 0 .", nil},
		{"MX of the domain to a host that is no mta", "aurora/aurora.test.zone", "MX  10 mx1", "MX  10 mx1\n                MX  20 mda", []string{
			"aurora/aurora.test.zone:5: the MX of aurora.test names mda.aurora.test, which is not one of its hosts of role mta (aurora/org.yaml)",
		}},
		{"an mta without MX", "boreal/boreal.test.zone", "                MX  20 mx2\n", "", []string{
			"boreal/org.yaml:20: warning: no MX of boreal.test names mx2.boreal.test: nobody sends it mail from outside",
		}},
		{"a backup preferred to the others", "boreal/boreal.test.zone", "MX  20 mx2", "MX  10 mx2", []string{
			"boreal/org.yaml:25: warning: no MX of boreal.test is better than the backup mx2.boreal.test: it delivers to the mailboxes itself",
		}},
		{"domain without MX", "aurora/aurora.test.zone", "                MX  10 mx1\n", "", []string{
			"aurora/org.yaml:2: aurora.test has no MX record",
		}},
		{"host without address", "aurora/aurora.test.zone", "mx1             A   198.18.1.25\n", "", []string{
			"aurora/aurora.test.zone:4: the MX of aurora.test names mx1.aurora.test, which has no address",
			"aurora/org.yaml:4: warning: mail for half.odd.test does not come to this site: no MX leads to its hosts",
			"aurora/org.yaml:19: mx1.aurora.test is 198.18.1.25 here, but has no address in aurora/aurora.test.zone",
		}},
		{"host with another address", "boreal/boreal.test.zone", "198.18.2.26", "198.18.2.27", []string{
			"boreal/boreal.test.zone:8: mx2.boreal.test is 198.18.2.27 here, but 198.18.2.26 in org.yaml (boreal/org.yaml:22)",
		}},
		{"host with its LAN address", "aurora/aurora.test.zone", "198.18.1.25\nmda", "198.19.1.25\nmda", []string{
			"aurora/aurora.test.zone:6: mx1.aurora.test is 198.19.1.25 here, but 198.18.1.25 in org.yaml (aurora/org.yaml:19)",
			"aurora/org.yaml:4: warning: mail for half.odd.test does not come to this site: no MX leads to its hosts",
		}},
		{"host of a name that is in no zone", "core/org.yaml", "name: resolver.nic.test", "name: resolver.example", []string{
			"core/org.yaml:17: resolver.example is 198.18.0.8 here, but has no address in core/root.zone",
		}},
		{"NS to a host that has not the zone", "aurora/aurora.test.zone", "                NS  ns\n", "                NS  ns\n                NS  pc\n", []string{
			"aurora/aurora.test.zone:4: pc.aurora.test is no name server of aurora.test: no org.yaml gives it that zone",
			"aurora/aurora.test.zone:4: the NS record pc.aurora.test is missing from the delegation of aurora.test in core/test.zone",
		}},
		{"name server that no NS names", "boreal/org.yaml", "      - {name: boreal.test, file: boreal.test.zone}", "      - {name: boreal.test, file: boreal.test.zone}\n      - {name: aurora.test, file: ../aurora/aurora.test.zone}", []string{
			"boreal/org.yaml:15: ns.boreal.test has the zone aurora.test, but no NS record there names it",
		}},
		{"domain that is in no zone", "aurora/org.yaml", "  - half.odd.test", "  - full.odd.test", []string{
			"aurora/org.yaml:4: no zone of the lab has the name full.odd.test",
		}},
		{"domain whose mail goes elsewhere", "boreal/org.yaml", "domain: boreal.test", "domain: boreal.test\nrelays: [half.odd.test]", []string{
			"boreal/org.yaml:3: warning: mail for half.odd.test does not come to this site: no MX leads to its hosts",
		}},
		{"zone that nobody delegates", "core/test.zone", "boreal          NS  ns.boreal\nns.boreal       A   198.18.2.53\n", "", []string{
			"boreal/org.yaml:14: nobody delegates boreal.test: core/test.zone has no NS record for it",
		}},
		{"delegation to nobody", "core/test.zone", "odd             NS  ns.nic", "odd             NS  ns.nic\ncedro NS ns.cedro\nns.cedro A 198.18.3.53", []string{
			"core/test.zone:11: cedro.test is delegated, but no name server of the lab has that zone",
		}},
		{"delegation to another host", "core/test.zone", "boreal          NS  ns.boreal", "boreal          NS  ns.aurora", []string{
			"boreal/boreal.test.zone:3: the NS record ns.boreal.test is missing from the delegation of boreal.test in core/test.zone",
			"core/test.zone:8: boreal.test is delegated to ns.aurora.test, which the zone's own NS records do not name (boreal/boreal.test.zone)",
		}},
		{"delegation without glue", "core/test.zone", "ns.boreal       A   198.18.2.53\n", "", []string{
			"core/test.zone:8: boreal.test is delegated to ns.boreal.test, which is below it: its address (glue) is missing here",
		}},
		{"glue that is wrong", "core/test.zone", "198.18.2.53", "198.18.2.54", []string{
			"core/test.zone:9: the glue of ns.boreal.test is 198.18.2.54, but its zone says 198.18.2.53",
		}},
		{"hints that are wrong", "core/root.hints", "198.18.0.20", "198.18.0.21", []string{
			"core/root.hints:2: the root hints say 198.18.0.21 for ns.nic.test, but the root zone says 198.18.0.20",
		}},
		{"hints without address", "core/root.hints", "ns.nic.test.    60 A  198.18.0.20\n", "", []string{
			"core/org.yaml:19: the root hints core/root.hints name no server with an address",
		}},
		{"hints missing", "core/org.yaml", "hints: root.hints", "hints: other.hints", []string{
			"core/org.yaml:19: there is no file core/other.hints",
		}},
		{"syntax error in an odd zone", "odd/odd.zone", "MX  10 nobody", "MX  ten nobody", []string{
			"odd/odd.zone:4: zone syntax: bad MX Pref: \"ten\"",
		}},
		{"odd zone without SOA", "odd/odd.zone", "SOA ns.nic.test. postmaster.aurora.test. 1 2 3 4 5", "TXT x", []string{
			"odd/odd.zone:1: the zone odd.test has no SOA record",
		}},
	})
}
