"""All cases, by technique."""

from tests.contracts import (
    cases_average,
    cases_batch,
    cases_data,
    cases_end,
    cases_gradient,
    cases_layers,
    cases_loss,
    cases_prediction,
    cases_update,
    cases_weights,
)
from tests.contracts.case import Case

from wellposed.techniques.technique import Technique

_PLACES = (
    *(cases_data, cases_weights, cases_batch, cases_layers, cases_loss),
    *(cases_gradient, cases_update, cases_average, cases_end, cases_prediction),
)

CASES: dict[type[Technique], Case] = {type(case.example): case for place in _PLACES for case in place.CASES}
