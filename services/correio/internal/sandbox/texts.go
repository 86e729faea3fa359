package sandbox

import "correio/services/internal/text"

// Every way to say that it cannot be done here ends with what to do instead.
var (
	noUserNamespaces = text.New(
		"this kernel has no user namespaces: use ./scripts/up, which runs the lab in Docker",
		"este kernel não tem namespaces de usuário: use ./scripts/up, que roda o laboratório no Docker")
	settingForbids = text.New(
		"user namespaces are forbidden here by %s = %s: set it to %s as root (sysctl -w %[1]s=%[3]s), or use ./scripts/up",
		"namespaces de usuário estão proibidos aqui por %s = %s: mude para %s como root (sysctl -w %[1]s=%[3]s), ou use ./scripts/up")
	seccompForbids = text.New(
		"user namespaces are forbidden here by a seccomp filter, as containers have it: run the container with --security-opt seccomp=unconfined, or use ./scripts/up outside (%v)",
		"namespaces de usuário estão proibidos aqui por um filtro seccomp, como em contêineres: rode o contêiner com --security-opt seccomp=unconfined, ou use ./scripts/up fora dele (%v)")
	somethingForbids = text.New(
		"the private internet cannot be made here (%v): use ./scripts/up, which runs the lab in Docker",
		"não é possível criar a internet privada aqui (%v): use ./scripts/up, que roda o laboratório no Docker")

	noSuchCommand = text.New("command not found: %s", "comando não encontrado: %s")
	cannotExecute = text.New("cannot run %s: %v", "não consigo executar %s: %v")

	noProc = text.New(
		"could not mount an own /proc (%v): ps and the like show processes of outside",
		"não foi possível montar um /proc próprio (%v): ps e semelhantes mostram processos de fora")
	noResolvConf = text.New(
		"could not replace %s (%v): programs in here may not resolve the lab's names",
		"não foi possível substituir %s (%v): programas aqui dentro podem não resolver os nomes do laboratório")
)

func errorf(t text.Text, args ...any) error { return text.Errorf(t, args...) }
