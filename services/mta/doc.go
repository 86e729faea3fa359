// Package mta is the mail transfer agent of a site: SMTP on port 25,
// submission on 587, 465 and 589, a durable queue, and the client that brings
// mail to the next host.
//
// A message goes through it like this: package policy decides, recipient by
// recipient, what is taken, and asks the MDA about its mailboxes (package
// deliver); package spool makes it durable, then the client hears "250 2.0.0
// Ok: queued as ID"; package queue starts the attempt at once; package deliver
// chooses the hosts (package route), speaks with them, and settles the outcome
// in the spool: delivered, waiting for its next time (package schedule), or
// given back to its sender (package bounce).
//
// Mail for the site's own mailboxes alone takes a shorter way: while the client
// waits, deliver brings it to the MDA, in the transaction in which RCPT was asked
// about, and what is on the MDA's disk by then is never in the spool.
//
// What a 250 promises holds through a kill -9 at any instant. Towards the next
// host it is at least once: the window between its 250 and our record of it, or
// our own 250, is where a message may come twice.
package mta
