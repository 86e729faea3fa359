package lab_test

import (
	"path/filepath"
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/sasl"
)

// behaviour.md §6 row 13, among others: a name is the person's, or nobody's.
func TestRow13_WhoLogsIn(t *testing.T) {
	t.Parallel()
	o, err := lab.LoadOrg(filepath.Join(unpack(t, "", "", ""), "aurora"))
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{
		"ana": "ana", "ANA": "ana", "ana@aurora.test": "ana", "Ana@Half.Odd.TEST": "ana", "\uff41na": "ana",
		"postmaster": "", "ana@boreal.test": "", "ana@": "", "@aurora.test": "", "ana@aurora.test@aurora.test": "",
		"../ana": "", "*": "", "%": "", "an_": "", "ana\x00": "", "": "", "ana ": "",
	} {
		if who, err := sasl.Verify(t.Context(), o, user, "ana"); who.Account != want || (err == nil) != (want != "") {
			t.Errorf("%q logs in as %q, %v; want %q", user, who.Account, err, want)
		}
	}
}
