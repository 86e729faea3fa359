package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"correio/services/internal/control"
	"correio/services/observatory/internal/history"
)

// unseen is said of a message that no node has told of.
const unseen = "no node has seen this message"

// journey answers with one journey, at once or when it is over.
func (s *server) journey(w http.ResponseWriter, r *http.Request) {
	goal, timeout, err := waiting(r)
	if err != nil {
		control.WriteError(w, http.StatusBadRequest, err.Error())
		return
	}
	if goal != "" {
		limited(s.waits, func(w http.ResponseWriter, r *http.Request) { s.await(w, r, goal, timeout) })(w, r)
		return
	}
	j, ok := s.History.Find(r.PathValue("id"))
	if !ok {
		control.WriteError(w, http.StatusNotFound, unseen)
		return
	}
	control.WriteJSON(w, http.StatusOK, j)
}

// waiting reads the parameters wait and timeout; goal is empty without wait.
func waiting(r *http.Request) (goal history.Goal, timeout time.Duration, err error) {
	q := r.URL.Query()
	timeout = defaultWait
	if v := q.Get("timeout"); v != "" {
		timeout, err = time.ParseDuration(v)
		if err != nil || timeout <= 0 || timeout > maxWait {
			return "", 0, fmt.Errorf("timeout must be a duration up to %s, such as 30s", maxWait)
		}
	}
	goal = history.Goal(q.Get("wait"))
	if goal != "" && !slices.Contains(history.Goals, goal) {
		return "", 0, fmt.Errorf("wait must be one of %v", history.Goals)
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
	answer := Unmet{}
	if ok {
		answer.Journey = &j
	}
	switch {
	case outcome == history.Met:
		control.WriteJSON(w, http.StatusOK, j)
	case outcome == history.Other:
		answer.Error = fmt.Sprintf("the message was %s", j.State)
		control.WriteJSON(w, http.StatusConflict, answer)
	case ok:
		answer.Error = fmt.Sprintf("after %s the message is still %s", timeout, j.State)
		control.WriteJSON(w, http.StatusGatewayTimeout, answer)
	default:
		answer.Error = fmt.Sprintf("%s within %s", unseen, timeout)
		control.WriteJSON(w, http.StatusGatewayTimeout, answer)
	}
}
