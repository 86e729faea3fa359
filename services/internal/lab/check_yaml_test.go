package lab_test

import "testing"

func TestFaultsOfYAML(t *testing.T) {
	run(t, []faultCase{
		{"unknown key", "aurora/org.yaml", "title: Aurora", "titel: Aurora", []string{
			"aurora/org.yaml:1: unknown key \"titel\"; known here: title, domain, domains, relays, networks, resolver, hosts, people, aliases, lists, elsewhere, smtp, limits",
			"aurora/org.yaml:1: \"title\" is missing",
		}},
		{"unknown key of a host", "boreal/org.yaml", "backup: true", "bakcup: true", []string{
			"boreal/org.yaml:25: unknown key \"bakcup\"; known here: name, role, internet, lan, control, zones, hints, backup",
		}},
		{"key given twice", "aurora/org.yaml", "resolver: 198.18.0.8", "resolver: 198.18.0.8\nresolver: 198.18.0.8", []string{
			"aurora/org.yaml:10: \"resolver\" is given twice; first on line 9",
		}},
		{"not YAML", "aurora/org.yaml", "title: Aurora", "title: [Aurora", []string{
			"aurora/org.yaml:2: not YAML: did not find expected ',' or ']'",
		}},
		{"two documents", "aurora/org.yaml", "domain: aurora.test", "---\ndomain: aurora.test", []string{
			"aurora/org.yaml: not YAML: expected single document, found multiple",
		}},
		{"anchors", "aurora/org.yaml", "title: Aurora", "title: &a Aurora", []string{
			"aurora/org.yaml:1: anchors and aliases are not read here",
		}},
		{"a list where a word belongs", "aurora/org.yaml", "title: Aurora", "title: [Aurora]", []string{
			"aurora/org.yaml:1: \"title\" must be a single value, not a list",
		}},
		{"a word where a list belongs", "aurora/org.yaml", "domains:\n  - half.odd.test", "domains: half.odd.test", []string{
			"aurora/org.yaml:3: \"domains\" must be a list, not \"half.odd.test\"",
		}},
		{"not a number", "boreal/org.yaml", "{message-size: 1048576}", "{message-size: 1 MB}", []string{
			"boreal/org.yaml:33: \"message-size\" must be a whole number, not \"1 MB\"",
		}},
		{"not true or false", "boreal/org.yaml", "backup: true", "backup: maybe", []string{
			"boreal/org.yaml:25: \"backup\" must be true or false, not \"maybe\"",
		}},
		{"not an address", "aurora/org.yaml", "resolver: 198.18.0.8", "resolver: 198.18.0", []string{
			"aurora/org.yaml:9: \"resolver\" must be an IP address, not \"198.18.0\"",
		}},
		{"not a network", "aurora/org.yaml", "lan: 198.19.1.0/24", "lan: 198.19.1.0", []string{
			"aurora/org.yaml:7: \"lan\" must be a network such as 198.18.0.0/16, not \"198.19.1.0\"",
		}},
		{"no value", "aurora/org.yaml", "domain: aurora.test", "domain:", []string{
			"aurora/org.yaml:2: \"domain\" must be a single value, not nothing",
		}},
		{"no sites' folder", "lab.yaml", "aurora, boreal]", "aurora, boreal, cedro]", []string{
			"cedro/org.yaml: there is no such file",
		}},
		{"a site left out", "lab.yaml", "[core, aurora, boreal]", "[core, aurora]", []string{
			"core/test.zone:8: boreal.test is delegated, but no name server of the lab has that zone",
			"lab.yaml:2: warning: the folder boreal has an org.yaml, but is not among the sites",
		}},
		{"a site twice", "lab.yaml", "aurora, boreal]", "aurora, aurora, boreal]", []string{
			"lab.yaml:2: \"aurora\" is given twice; first on line 2",
		}},
		{"a site elsewhere", "lab.yaml", "aurora, boreal]", "aurora, boreal, ../x]", []string{
			"lab.yaml:2: \"../x\" is not the name of a folder beside this file",
		}},
	})
}

func TestFaultsOfOneSite(t *testing.T) {
	run(t, []faultCase{
		{"no title", "aurora/org.yaml", "title: Aurora\n", "", []string{
			"aurora/org.yaml:1: \"title\" is missing",
		}},
		{"a name with a final dot", "aurora/org.yaml", "name: mx1.aurora.test", "name: mx1.aurora.test.", []string{
			"aurora/aurora.test.zone:4: the MX of aurora.test names mx1.aurora.test, which is not one of its hosts of role mta (aurora/org.yaml)",
			"aurora/org.yaml:17: \"mx1.aurora.test.\" is not a host or domain name in lower case without a final dot",
			"aurora/org.yaml:17: warning: no MX of aurora.test names mx1.aurora.test.: nobody sends it mail from outside",
			"lab.yaml:7: \"mx1.aurora.test:25\" is not a host of the lab and a port, such as mx1.aurora.test:25",
		}},
		{"upper case", "aurora/org.yaml", "domain: aurora.test", "domain: Aurora.test", []string{
			"aurora/org.yaml:2: \"Aurora.test\" is not a host or domain name in lower case without a final dot",
		}},
		{"duplicate host name", "boreal/org.yaml", "name: mx2.boreal.test", "name: mx1.boreal.test", []string{
			"boreal/boreal.test.zone:5: the MX of boreal.test names mx2.boreal.test, which is not one of its hosts of role mta (boreal/org.yaml)",
			"boreal/boreal.test.zone:7: mx1.boreal.test is 198.18.2.25 here, but 198.18.2.26 in org.yaml (boreal/org.yaml:22)",
			"boreal/org.yaml:20: \"mx1.boreal.test\" is given twice; first on line 15",
			"boreal/org.yaml:25: warning: no MX of boreal.test is better than the backup mx1.boreal.test: it delivers to the mailboxes itself",
		}},
		{"unknown role", "aurora/org.yaml", "role: pc", "role: laptop", []string{
			"aurora/org.yaml:27: \"laptop\" is no role; roles: dns, resolver, mta, mda, pc",
			"lab.yaml:7: \"pc.aurora.test\" is not a workstation (role pc) of the lab",
		}},
		{"role missing", "boreal/org.yaml", "    role: mda\n", "", []string{
			"boreal/org.yaml:2: mail for boreal.test needs a host of role mda",
			"boreal/org.yaml:26: \"role\" is missing",
		}},
		{"an observatory at a site", "aurora/org.yaml", "role: pc", "role: observatory", []string{
			"aurora/org.yaml:27: the observatory is set in lab.yaml, not as a host of a site",
			"lab.yaml:7: \"pc.aurora.test\" is not a workstation (role pc) of the lab",
		}},
		{"address outside its network", "aurora/org.yaml", "lan: 198.19.1.110", "lan: 198.19.2.111", []string{
			"aurora/aurora.test.zone:7: mda.aurora.test is 198.19.1.110 here, but 198.19.2.111 in org.yaml (aurora/org.yaml:24)",
			"aurora/org.yaml:24: 198.19.2.111 is outside the site's lan network 198.19.1.0/24",
		}},
		{"address of the network itself", "aurora/org.yaml", "lan: 198.19.1.100", "lan: 198.19.1.255", []string{
			"aurora/org.yaml:29: 198.19.1.255 is the network's or the broadcast address of 198.19.1.0/24",
		}},
		{"address of the container engine", "aurora/org.yaml", "lan: 198.19.1.100", "lan: 198.19.1.1", []string{
			"aurora/org.yaml:29: 198.19.1.1 is where the container engine puts itself on 198.19.1.0/24",
		}},
		{"address without a network", "core/org.yaml", "internet: 198.18.0.8", "internet: 198.18.0.8\n    lan: 198.19.0.8", []string{
			"core/org.yaml:18: the site has no network \"lan\" for this address",
		}},
		{"network with host bits", "aurora/org.yaml", "lan: 198.19.1.0/24", "lan: 198.19.1.1/24", []string{
			"aurora/org.yaml:7: 198.19.1.1/24 is not the first address of a network; 198.19.1.0/24 is",
		}},
		{"mta without LAN", "aurora/org.yaml", "    lan: 198.19.1.25\n", "", []string{
			"aurora/org.yaml:17: a host of role mta needs \"lan\"",
		}},
		{"mta without Internet", "aurora/org.yaml", "    internet: 198.18.1.25\n", "", []string{
			"aurora/aurora.test.zone:6: mx1.aurora.test is 198.18.1.25 here, but 198.19.1.25 in org.yaml (aurora/org.yaml:19)",
			"aurora/org.yaml:4: warning: mail for half.odd.test does not come to this site: no MX leads to its hosts",
			"aurora/org.yaml:17: a host of role mta needs \"internet\"",
		}},
		{"host without control address", "aurora/org.yaml", "    control: 198.19.241.9\n", "", []string{
			"aurora/org.yaml:17: a host of role mta needs \"control\"",
		}},
		{"dns without zones", "boreal/org.yaml", "    zones:\n      - {name: boreal.test, file: boreal.test.zone}\n", "", []string{
			"boreal/org.yaml:9: a host of role dns needs \"zones\"",
			"core/test.zone:8: boreal.test is delegated, but no name server of the lab has that zone",
		}},
		{"resolver without hints", "core/org.yaml", "    hints: root.hints\n", "", []string{
			"core/org.yaml:15: a host of role resolver needs \"hints\"",
		}},
		{"a key of another role", "boreal/org.yaml", "role: mda", "role: mda\n    hints: root.hints", []string{
			"boreal/org.yaml:28: \"hints\" is for hosts of role resolver, not mda",
			"boreal/org.yaml:28: there is no file boreal/root.hints",
		}},
		{"no mda", "boreal/org.yaml", "  - name: mda.boreal.test\n    role: mda\n    lan: 198.19.2.110\n    control: 198.19.241.19\n", "", []string{
			"boreal/org.yaml:2: mail for boreal.test needs a host of role mda",
		}},
		{"two mdas", "boreal/org.yaml", "people:", "  - name: pop.boreal.test\n    role: mda\n    lan: 198.19.2.111\n    control: 198.19.241.21\npeople:", []string{
			"boreal/org.yaml:31: a second mda: a site has one",
			"boreal/org.yaml:32: pop.boreal.test is 198.19.2.111 here, but has no address in boreal/boreal.test.zone",
		}},
		{"every mta a backup", "boreal/org.yaml", "control: 198.19.241.17", "control: 198.19.241.17\n    backup: true", []string{
			"boreal/org.yaml:9: every mta is a backup: none delivers to the mda",
			"boreal/org.yaml:20: warning: no MX of boreal.test is better than the backup mx1.boreal.test: it delivers to the mailboxes itself",
		}},
		{"mail without a domain", "boreal/org.yaml", "domain: boreal.test\n", "", []string{
			"boreal/org.yaml:15: a host of role mta needs a site that has a domain",
			"boreal/org.yaml:20: a host of role mta needs a site that has a domain",
			"boreal/org.yaml:26: a host of role mda needs a site that has a domain",
			"boreal/org.yaml:30: \"people\" is for sites that have a domain",
			"boreal/org.yaml:31: \"aliases\" is for sites that have a domain",
		}},
		{"no resolver", "boreal/org.yaml", "resolver: 198.18.0.8\n", "", []string{
			"boreal/org.yaml:1: \"resolver\" is missing",
		}},
		{"a domain twice", "aurora/org.yaml", "  - half.odd.test", "  - half.odd.test\n  - half.odd.test", []string{
			"aurora/org.yaml:5: \"half.odd.test\" is given twice; first on line 4",
		}},
		{"its own domain among the others", "aurora/org.yaml", "  - half.odd.test", "  - aurora.test", []string{
			"aurora/org.yaml:4: \"aurora.test\" is given twice; first on line 2",
		}},
		{"local and relayed", "aurora/org.yaml", "networks:", "relays: [half.odd.test]\nnetworks:", []string{
			"aurora/org.yaml:5: half.odd.test is both local and relayed",
		}},
		{"zone with file and answer", "core/org.yaml", "answer: servfail}", "answer: servfail, file: x.zone}", []string{
			"core/org.yaml:14: a zone has either a file or an answer",
			"core/org.yaml:14: there is no file core/x.zone",
		}},
		{"unknown answer", "core/org.yaml", "answer: servfail}", "answer: nxdomain}", []string{
			"core/org.yaml:14: \"nxdomain\" is no answer; there is: servfail",
		}},
		{"zone file out of the lab", "core/org.yaml", "file: test.zone", "file: ../../test.zone", []string{
			"core/org.yaml:12: \"../../test.zone\" must be a path inside the site's folder or a folder beside it",
		}},
		{"zone twice", "boreal/org.yaml", "      - {name: boreal.test, file: boreal.test.zone}", "      - {name: boreal.test, file: boreal.test.zone}\n      - {name: boreal.test, file: boreal.test.zone}", []string{
			"boreal/org.yaml:15: \"boreal.test\" is given twice; first on line 14",
		}},
		{"person who is no local part", "aurora/org.yaml", "{name: ana,", "{name: ana maria,", []string{
			"aurora/org.yaml:32: \"ana maria\" is not a local part in lower case",
		}},
		{"person in upper case", "aurora/org.yaml", "{name: ana,", "{name: Ana,", []string{
			"aurora/org.yaml:32: \"Ana\" is not a local part in lower case",
		}},
		{"alias in upper case beyond ASCII", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  Joã: ana", []string{
			"aurora/org.yaml:36: \"Joã\" is not a local part in lower case",
		}},
		{"alias that is not composed", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\n  joa\u0303o: ana", []string{
			"aurora/org.yaml:36: \"joa\u0303o\" is not a local part in lower case",
		}},
		{"a domain that no mapping may make", "aurora/org.yaml", "  - half.odd.test", "  - half.odd\uff0etest", []string{
			"aurora/org.yaml:4: \"half.odd\uff0etest\" is not a host or domain name in lower case without a final dot",
			"aurora/org.yaml:4: no zone of the lab has the name half.odd\uff0etest",
		}},
		{"a domain in U-labels and in A-labels", "aurora/org.yaml", "  - half.odd.test", "  - half.odd.test\n  - xn--caf-dma.any.aurora.test\n  - café.any.aurora.test", []string{
			"aurora/org.yaml:6: \"xn--caf-dma.any.aurora.test\" is given twice; first on line 5",
		}},
		{"person without password", "aurora/org.yaml", "{name: ana, password: ana}", "{name: ana}", []string{
			"aurora/org.yaml:32: ana has no password",
		}},
		{"password that no client may send", "aurora/org.yaml", "{name: ana, password: ana}", "{name: ana, password: \"ana\\u0007\"}", []string{
			"aurora/org.yaml:32: ana cannot log in: the name or the password is too long, or has characters that no login has (RFC 4013)",
		}},
		{"name that every login spells otherwise", "aurora/org.yaml", "{name: ana, password: ana}", "{name: an\u00aa, password: ana}", []string{
			"aurora/org.yaml:32: an\u00aa cannot log in: the name or the password is too long, or has characters that no login has (RFC 4013)",
		}},
		{"person twice", "aurora/org.yaml", "{name: ana,", "{name: alice,", []string{
			"aurora/org.yaml:33: \"alice\" is given twice; first on line 32",
		}},
		{"quota out of range", "aurora/org.yaml", "quota: 1048576", "quota: -1", []string{
			"aurora/org.yaml:33: \"quota\" is -1; it must be from 1024 to 1099511627776",
		}},
		{"limit out of range", "boreal/org.yaml", "message-size: 1048576", "message-size: 10", []string{
			"boreal/org.yaml:33: \"message-size\" is 10; it must be from 1024 to 1073741824",
		}},
		{"limit of 0", "boreal/org.yaml", "message-size: 1048576", "queue: 0", []string{
			"boreal/org.yaml:33: \"queue\" is 0; it must be from 1024 to 1099511627776",
		}},
		{"limits of 0", "boreal/org.yaml", "{message-size: 1048576}", "\n  per-client: 0\n  idle: 0s", []string{
			"boreal/org.yaml:34: \"per-client\" is 0; it must be from 1 to 100000",
			"boreal/org.yaml:35: \"idle\" is 0s; it must be from 1s to 1h0m0s",
		}},
		{"quota of 0", "aurora/org.yaml", "quota: 1048576", "quota: 0", []string{
			"aurora/org.yaml:33: \"quota\" is 0; it must be from 1024 to 1099511627776",
		}},
		{"idle out of range", "boreal/org.yaml", "message-size: 1048576", "idle: 2h", []string{
			"boreal/org.yaml:33: \"idle\" is 2h0m0s; it must be from 1s to 1h0m0s",
		}},
		{"idle without a unit", "boreal/org.yaml", "message-size: 1048576", "idle: 300", []string{
			"boreal/org.yaml:33: \"idle\" must be a time such as 90s or 5m, not \"300\"",
		}},
		{"BINARYMIME alone", "boreal/org.yaml", "limits:", "smtp: {binarymime: true}\nlimits:", []string{
			"boreal/org.yaml:33: BINARYMIME cannot do without CHUNKING (RFC 3030): set \"chunking\" as well",
		}},
		{"unknown mechanism", "boreal/org.yaml", "limits:", "smtp: {auth: [PLAIN, NTLM]}\nlimits:", []string{
			"boreal/org.yaml:33: \"NTLM\" is none of PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256",
		}},
		{"unknown wish for TLS", "boreal/org.yaml", "limits:", "smtp: {tls: always}\nlimits:", []string{
			"boreal/org.yaml:33: \"always\" is none of opportunistic, encrypt, verify",
		}},
		{"unknown line ends", "boreal/org.yaml", "limits:", "smtp: {line-ends: unix}\nlimits:", []string{
			"boreal/org.yaml:33: \"unix\" is none of refuse, normalise, trust",
		}},
		{"bounce copies to somebody else", "boreal/org.yaml", "limits:", "smtp: {bounce-copies: bruno}\nlimits:", []string{
			"boreal/org.yaml:33: \"bounce-copies\" must be true or false, not \"bruno\"",
		}},
		{"greylisting for too long", "boreal/org.yaml", "limits:", "smtp: {greylist: 25h}\nlimits:", []string{
			"boreal/org.yaml:33: \"greylist\" is 25h0m0s; it must be from 1s to 24h0m0s",
		}},
		{"greylisting for nobody knows how long", "boreal/org.yaml", "limits:", "smtp: {greylist: sim}\nlimits:", []string{
			"boreal/org.yaml:33: \"greylist\" must be true, false, or a time such as 90s or 5m, not \"sim\"",
		}},
		{"no postmaster", "aurora/org.yaml", "postmaster: alice", "abuse: alice", []string{
			"aurora/org.yaml:35: aurora.test needs an alias postmaster (RFC 5321 section 4.5.1)",
		}},
		{"elsewhere is here", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nelsewhere: ana@aurora.test", []string{
			"aurora/org.yaml:36: ana@aurora.test is an address of this site; \"elsewhere\" wants another organisation's",
		}},
		{"elsewhere forwards as well", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nelsewhere: Encaminha@boreal.test", []string{
			"aurora/org.yaml:36: Encaminha@boreal.test is a reserved name itself; mail would go round in circles",
		}},
		{"elsewhere is no address", "aurora/org.yaml", "postmaster: alice", "postmaster: alice\nelsewhere: boreal.test", []string{
			"aurora/org.yaml:36: \"boreal.test\" is not a mail address",
		}},
	})
}

func TestFaultsBetweenSites(t *testing.T) {
	run(t, []faultCase{
		{"duplicate address of two sites", "boreal/org.yaml", "internet: 198.18.2.26", "internet: 198.18.1.25", []string{
			"boreal/boreal.test.zone:8: mx2.boreal.test is 198.18.2.26 here, but 198.18.1.25 in org.yaml (boreal/org.yaml:22)",
			"boreal/org.yaml:22: the address 198.18.1.25 is already that of mx1.aurora.test (aurora/org.yaml:19)",
		}},
		{"duplicate control address", "boreal/org.yaml", "control: 198.19.241.18", "control: 198.19.241.17", []string{
			"boreal/org.yaml:24: the address 198.19.241.17 is already that of mx1.boreal.test (boreal/org.yaml:19)",
		}},
		{"address of the observatory", "boreal/org.yaml", "control: 198.19.241.18", "control: 198.19.240.80", []string{
			"lab.yaml:5: the address 198.19.240.80 is already that of mx2.boreal.test (boreal/org.yaml:24)",
		}},
		{"host name of another site", "boreal/org.yaml", "name: mda.boreal.test", "name: mda.aurora.test", []string{
			"aurora/aurora.test.zone:7: mda.aurora.test is 198.19.1.110 here, but 198.19.2.110 in org.yaml (boreal/org.yaml:28)",
			"boreal/org.yaml:26: there is already a host mda.aurora.test (aurora/org.yaml:22)",
		}},
		{"another backbone", "boreal/org.yaml", "internet: 198.18.0.0/16", "internet: 198.18.0.0/15", []string{
			"boreal/org.yaml:4: the internet network is 198.18.0.0/15 here, but 198.18.0.0/16 elsewhere (core/org.yaml:3)",
			"boreal/org.yaml:4: the network 198.18.0.0/15 overlaps 198.19.240.0/20 (core/org.yaml:4)",
			"boreal/org.yaml:5: the network 198.19.2.0/24 overlaps 198.18.0.0/15 (boreal/org.yaml:4)",
			"boreal/org.yaml:6: the network 198.19.240.0/20 overlaps 198.18.0.0/15 (boreal/org.yaml:4)",
		}},
		{"overlapping LANs", "boreal/org.yaml", "lan: 198.19.2.0/24", "lan: 198.19.0.0/22", []string{
			"boreal/org.yaml:5: the network 198.19.0.0/22 overlaps 198.19.1.0/24 (aurora/org.yaml:7)",
		}},
		{"domain of another site", "boreal/org.yaml", "domain: boreal.test", "domain: boreal.test\ndomains: [half.odd.test]", []string{
			"boreal/org.yaml:3: mail for half.odd.test already belongs to Aurora (aurora/org.yaml:4)",
			"boreal/org.yaml:3: warning: mail for half.odd.test does not come to this site: no MX leads to its hosts",
		}},
		{"resolver that is none", "boreal/org.yaml", "resolver: 198.18.0.8", "resolver: 198.18.0.20", []string{
			"boreal/org.yaml:7: 198.18.0.20 is not the address of a resolver of the lab",
		}},
		{"observatory outside the control network", "lab.yaml", "control: 198.19.240.80", "control: 198.18.0.80", []string{
			"lab.yaml:5: 198.18.0.80 is outside the control network 198.19.240.0/20",
		}},
		{"observatory without a name", "lab.yaml", "  name: observatory.nic.test\n", "", []string{
			"lab.yaml:4: \"name\" is missing",
		}},
		{"user port out of range", "lab.yaml", "port: 1025", "port: 70000", []string{
			"lab.yaml:7: \"port\" is 70000; it must be from 1 to 65535",
		}},
		{"user port twice", "lab.yaml", "to: \"mx1.aurora.test:25\"}", "to: \"mx1.aurora.test:25\"}\n    - {port: 1025, via: pc.aurora.test, to: \"mda.aurora.test:110\"}", []string{
			"lab.yaml:8: \"1025\" is given twice; first on line 7",
		}},
		{"user port by no workstation", "lab.yaml", "via: pc.aurora.test", "via: mx1.aurora.test", []string{
			"lab.yaml:7: \"mx1.aurora.test\" is not a workstation (role pc) of the lab",
		}},
		{"user port to nobody", "lab.yaml", "mx1.aurora.test:25", "mx3.aurora.test:25", []string{
			"lab.yaml:7: \"mx3.aurora.test:25\" is not a host of the lab and a port, such as mx1.aurora.test:25",
		}},
		{"user port to no port", "lab.yaml", "mx1.aurora.test:25", "mx1.aurora.test", []string{
			"lab.yaml:7: \"mx1.aurora.test\" is not a host of the lab and a port, such as mx1.aurora.test:25",
		}},
	})
}
