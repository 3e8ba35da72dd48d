"""REST schemas of flavors."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field


class FlavorView(BaseModel):
    """A size of what runs: CPU, memory and GPUs."""

    id: Annotated[str, Field(description="Id of the flavor.", examples=["fl_1f0c2a9155aa"])]
    name: Annotated[str, Field(description="Name of the flavor.", examples=["cpu.2"])]
    cpu: Annotated[str, Field(description="CPU limit, in cores.", examples=["2"])]
    memory: Annotated[str, Field(description="Memory limit.", examples=["4Gi"])]
    gpu: Annotated[int, Field(description="Number of GPUs.")]
    price_per_hour: Annotated[float, Field(description="Price of one hour, in the platform's currency.")]
