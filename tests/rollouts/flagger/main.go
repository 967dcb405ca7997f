// Calls webhooks by Flagger's own pkg/controller/webhook.go, which an overlay puts into the package controller.
// stdin: a JSON list of webhooks of a Canary; stdout: a JSON list with the error of each call, empty where Flagger takes
// the answer for a yes.
package main

import (
	"encoding/json"
	"os"

	flaggerv1 "github.com/fluxcd/flagger/pkg/apis/flagger/v1beta1"
	"shadowstream/tests/flagger/controller"
)

func main() {
	var webhooks []flaggerv1.CanaryWebhook
	if err := json.NewDecoder(os.Stdin).Decode(&webhooks); err != nil {
		panic(err)
	}
	var canary flaggerv1.Canary
	canary.Name, canary.Namespace = "scorer", "fraud"
	errors := []string{}
	for _, webhook := range webhooks {
		if err := controller.CallWebhook(canary, flaggerv1.CanaryPhaseProgressing, webhook); err != nil {
			errors = append(errors, err.Error())
		} else {
			errors = append(errors, "")
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(errors); err != nil {
		panic(err)
	}
}
