"""What a run would still take."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from ttc_bench.errors import printable
from ttc_bench.sampling.forecast import Forecast, total


def show_forecast(forecasts: Mapping[str, Forecast]) -> None:
    """Prints calls, tokens and dollars of what is still missing, and how they are estimated: per model, and in
    total."""
    console = Console(highlight=False)
    for model, forecast in forecasts.items():
        if len(forecasts) > 1:
            console.print(Text(printable(model), style="bold"))
        _show_forecast(console, forecast)
    if len(forecasts) > 1:
        all_models = total(list(forecasts.values()))
        dollars = "" if all_models.dollars is None else f", about ${all_models.dollars:,.2f} where a price is known"
        console.print(
            f"[bold]In all[/] {all_models.samples:,} samples in {all_models.calls:,} calls: "
            f"about {all_models.usage.prompt:,} prompt and {all_models.usage.completion:,} generated tokens{dollars}."
        )


def _show_forecast(console: Console, forecast: Forecast) -> None:
    after = _after(forecast)
    if not forecast.samples:
        console.print(f"Every sample is in the store: {after or 'the run would cost nothing.'}")
        return
    how = "at most, taking every answer to be as long as --max-tokens allows; --pilot 3 measures a few first"
    if forecast.measured == 1:
        how = "judging by stored samples of the same kind"
    elif forecast.measured > 0:
        how = f"{forecast.measured:.0%} of the samples judged by stored ones, the rest taken as long as --max-tokens"
    usage = forecast.usage
    console.print(
        f"The run would make {forecast.samples:,} samples in {forecast.calls:,} calls: about {usage.prompt:,} prompt "
        f"and {usage.completion:,} generated tokens ({how})."
    )
    if forecast.dollars is None:
        console.print("No price is known for this model: give one with --prices, or run it where tokens are free.")
    else:
        console.print(f"That is about ${forecast.dollars:,.2f}.")
    if after:
        console.print(f"Not in these figures: {after}")


def _after(forecast: Forecast) -> str:
    """The continuations and scores that follow the samples, in words; "" if there are none."""
    parts = {
        "continuations of traces (budgets, waiting, revision)": forecast.continuations,
        "answers for verifiers to score": forecast.scores,
    }
    counts = " and ".join(f"up to {count:,} {kind}" for kind, count in parts.items() if count)
    return f"{counts} are still to come." if counts else ""
