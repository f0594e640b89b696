"""All cases, by technique."""

import cases_average
import cases_batch
import cases_data
import cases_end
import cases_gradient
import cases_layers
import cases_loss
import cases_prediction
import cases_update
import cases_weights
from case import Case

from wellposed.techniques.technique import Technique

_PLACES = (
    *(cases_data, cases_weights, cases_batch, cases_layers, cases_loss),
    *(cases_gradient, cases_update, cases_average, cases_end, cases_prediction),
)

CASES: dict[type[Technique], Case] = {type(case.example): case for place in _PLACES for case in place.CASES}
