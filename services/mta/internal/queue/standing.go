package queue

import (
	"context"
	"time"
)

// Standing is where a job stands.
type Standing struct {
	Running bool // an attempt is under way
	Parked  bool // it waits for a probe of its dead destination, as all others there
	// Unmade says that the spool counts a first attempt of it that has not begun.
	Unmade  bool
	Arrived time.Time // what its age is counted from
}

// Standings tells of jobs where they stand; those that are not here are left out.
func (q *Queue) Standings(ctx context.Context, jobs []Selection) (map[Selection]Standing, error) {
	told := make(chan map[Selection]Standing, 1)
	err := q.do(ctx, func(r *run) {
		all := make(map[Selection]Standing, len(jobs))
		for name, ids := range byDomain(jobs) {
			if d := r.dests[name]; d != nil {
				d.tellStandings(q.base, ids, all)
			}
		}
		told <- all
	})
	if err != nil {
		return nil, err
	}
	return <-told, nil
}

func (d *destination) tellStandings(base time.Time, ids map[string]bool, all map[Selection]Standing) {
	tell := func(list []*item, s Standing) {
		for _, it := range list {
			if ids[it.id] {
				s.Unmade, s.Arrived = it.fresh && !s.Running, base.Add(it.arrived)
				all[Selection{it.id, d.name.Value()}] = s
			}
		}
	}
	tell(d.later.list, Standing{})
	tell(d.ready, Standing{})
	tell(d.parked.list, Standing{Parked: true})
	for _, it := range d.running {
		tell([]*item{it}, Standing{Running: !it.overdue, Parked: it.overdue})
	}
}
