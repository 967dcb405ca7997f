// Measures metrics by Argo Rollouts' own web provider. stdin: a JSON list of metrics of an AnalysisTemplate;
// stdout: a JSON list with the phase, the value and the message of each measurement.
package main

import (
	"encoding/json"
	"os"

	"github.com/argoproj/argo-rollouts/metricproviders/webmetric"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/sirupsen/logrus"
)

type measured struct {
	Phase   v1alpha1.AnalysisPhase `json:"phase"`
	Value   string                 `json:"value"`
	Message string                 `json:"message"`
}

func measure(metric v1alpha1.Metric) (measured, error) {
	client, err := webmetric.NewWebMetricHttpClient(metric)
	if err != nil {
		return measured{}, err
	}
	parser, err := webmetric.NewWebMetricJsonParser(metric)
	if err != nil {
		return measured{}, err
	}
	found := webmetric.NewWebMetricProvider(*logrus.NewEntry(logrus.New()), client, parser).Run(nil, metric)
	return measured{found.Phase, found.Value, found.Message}, nil
}

func main() {
	var metrics []v1alpha1.Metric
	if err := json.NewDecoder(os.Stdin).Decode(&metrics); err != nil {
		panic(err)
	}
	all := []measured{}
	for _, metric := range metrics {
		one, err := measure(metric)
		if err != nil {
			panic(err)
		}
		all = append(all, one)
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		panic(err)
	}
}
