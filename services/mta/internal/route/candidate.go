package route

import (
	"slices"

	"correio/services/internal/dnsclient"
	"correio/services/internal/reason"
)

// candidate is an MX record.
type candidate struct {
	name string
	pref uint16
}

func candidates(mx dnsclient.Answer) []candidate {
	var list []candidate
	for _, rr := range mx.MX() {
		list = append(list, candidate{plain(rr.Mx), rr.Preference})
	}
	return list
}

// sort puts the lowest preference first and equals into random order.
func (f *finder) sort(list []candidate) {
	f.shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b candidate) int { return int(a.pref) - int(b.pref) })
	f.because(reason.Sorted, f.domain, describe(list))
	for group := range groups(list) {
		if len(group) > 1 {
			f.because(reason.Shuffled, number(len(group)), number(int(group[0].pref)), group[0].name)
		}
	}
}

// dropSelf drops the hosts that are ourselves, all of the same preference and
// all worse ones: the message would come back.
func (f *finder) dropSelf(list []candidate, self func(candidate) bool) []candidate {
	i := slices.IndexFunc(list, self)
	if i < 0 {
		return list
	}
	own := list[i]
	f.because(reason.IsSelf, own.name, number(int(own.pref)))
	cut := slices.IndexFunc(list, func(c candidate) bool { return c.pref >= own.pref })
	for _, c := range list[cut:] {
		if c != own {
			f.because(reason.NotBetter, c.name, number(int(c.pref)), number(int(own.pref)))
		}
	}
	f.better = cut > 0
	return list[:cut]
}

// groups yields runs of equal preference.
func groups(list []candidate) func(yield func([]candidate) bool) {
	return func(yield func([]candidate) bool) {
		for len(list) > 0 {
			end := slices.IndexFunc(list, func(c candidate) bool { return c.pref != list[0].pref })
			if end < 0 {
				end = len(list)
			}
			if !yield(list[:end]) {
				return
			}
			list = list[end:]
		}
	}
}
