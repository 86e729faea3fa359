package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/problem"
	"correio/services/observatory/internal/history"
)

// journey answers with one journey, at once or when it is over.
func (s *server) journey(w http.ResponseWriter, r *http.Request) {
	goal, timeout, err := waiting(r)
	if err != nil {
		control.WriteProblem(w, http.StatusBadRequest, err)
		return
	}
	if goal != "" {
		control.Limited(s.waits, func(w http.ResponseWriter, r *http.Request) { s.await(w, r, goal, timeout) })(w, r)
		return
	}
	j, ok := s.History.Find(r.PathValue("id"))
	if !ok {
		control.WriteProblem(w, http.StatusNotFound, problem.New(problem.Unseen))
		return
	}
	control.WriteJSON(w, http.StatusOK, j.Said(language(r)))
}

// waiting reads the parameters wait and timeout; goal is empty without wait.
func waiting(r *http.Request) (goal history.Goal, timeout time.Duration, err error) {
	q := r.URL.Query()
	timeout = defaultWait
	if v := q.Get("timeout"); v != "" {
		timeout, err = time.ParseDuration(v)
		if err != nil || timeout <= 0 || timeout > maxWait {
			return "", 0, problem.New(problem.BadTimeout, maxWait.String())
		}
	}
	goal = history.Goal(q.Get("wait"))
	if goal != "" && !slices.Contains(history.Goals, goal) {
		return "", 0, problem.New(problem.BadWait, fmt.Sprint(history.Goals))
	}
	return goal, timeout, nil
}

func (s *server) await(w http.ResponseWriter, r *http.Request, goal history.Goal, timeout time.Duration) {
	rc := http.NewResponseController(w)
	// Errors: not every ResponseWriter has deadlines; those of real connections do.
	_ = rc.SetWriteDeadline(time.Now().Add(timeout + writeWait))
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	j, ok, outcome := s.History.Await(ctx, r.PathValue("id"), goal)
	j = j.Said(language(r))
	var why *problem.Problem
	status := http.StatusGatewayTimeout
	switch {
	case outcome == history.Met:
		control.WriteJSON(w, http.StatusOK, j)
		return
	case outcome == history.Other:
		status, why = http.StatusConflict, problem.New(problem.EndedAs, string(j.State))
	case ok:
		why = problem.New(problem.StillNot, timeout.String(), string(j.State))
	default:
		why = problem.New(problem.UnseenWithin, timeout.String())
	}
	answer := Unmet{Problem: control.Problem{Error: why.Error(), Code: why.Code, Args: why.Args}}
	if ok {
		answer.Journey = &j
	}
	control.WriteJSON(w, status, answer)
}
