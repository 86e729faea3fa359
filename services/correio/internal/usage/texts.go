package usage

import "correio/services/internal/text"

var (
	seeHelp = text.New("See: %s --help", "Veja: %s --help")

	unknownFlag      = text.New("unknown flag %s", "opção desconhecida %s")
	flagWithoutValue = text.New("flag %s needs a value", "a opção %s precisa de um valor")
	badFlagValue     = text.New("flag --%s does not take %q: %v", "a opção --%s não aceita %q: %v")
	// takes is what flags take, by pflag's names of their types.
	takes = map[string]text.Text{
		"int":      text.New("it takes a whole number", "ela aceita um número inteiro"),
		"bool":     text.New("it takes true or false", "ela aceita true ou false"),
		"duration": text.New("it takes a duration such as 30s or 5m", "ela aceita uma duração, como 30s ou 5m"),
	}
	badFlagSyntax      = text.New("%s is not a flag", "%s não é uma opção")
	otherFlagError     = text.New("wrong flag: %v", "opção errada: %v")
	badSetting         = text.New("environment variable %s does not take %q: %v", "a variável de ambiente %s não aceita %q: %v")
	tooFewArgs         = text.New("an argument is missing; usage: %s", "falta um argumento; uso: %s")
	tooManyArgs        = text.New("one argument too many: %q; usage: %s", "argumento a mais: %q; uso: %s")
	unknownCommand     = text.New("unknown command %q", "comando desconhecido %q")
	unknownCommandLike = text.New("unknown command %q; did you mean: %s?", "comando desconhecido %q; você quis dizer: %s?")

	excludeEachOther = text.New("--%s and --%s exclude each other", "--%s e --%s se excluem")

	helpFlag    = text.New("show help", "mostra a ajuda")
	helpShort   = text.New("Show the help of a command", "Mostra a ajuda de um comando")
	commandWord = text.New("COMMAND", "COMANDO")
	defaultWord = text.New("default", "padrão")

	placeholders = map[string]text.Text{
		"ADDRESS": text.New("ADDRESS", "ENDEREÇO"),
		"COMMAND": text.New("COMMAND", "COMANDO"),
		"NAME":    text.New("NAME", "NOME"),
		"NODE":    text.New("NODE", "NÓ"),
		"PORT":    text.New("PORT", "PORTA"),
		"SERVER":  text.New("SERVER", "SERVIDOR"),
		"TYPE":    text.New("TYPE", "TIPO"),
		"USER":    text.New("USER", "USUÁRIO"),
	}

	usageTitle       = text.New("Usage:", "Uso:")
	examplesTitle    = text.New("Examples:", "Exemplos:")
	commandsTitle    = text.New("Commands:", "Comandos:")
	flagsTitle       = text.New("Flags:", "Opções:")
	globalFlagsTitle = text.New("Flags of every command (also as environment variables, --lab as CORREIO_LAB):",
		"Opções de todos os comandos (também como variáveis de ambiente, --lab como CORREIO_LAB):")
	exitStatus = text.New(
		"Exit status: 0 ok, 1 failed, 2 wrong usage, 3 the lab is not running, 4 timed out, 130 interrupted.",
		"Código de saída: 0 ok, 1 falhou, 2 uso errado, 3 o laboratório não está rodando, 4 tempo esgotado, 130 interrompido.")
)
