"""Sets a scene over HTTP: a merchant with a store and a product, and promotions of it.

Places are given in metres north of the store. Knows nothing of the live protocol.
"""

from __future__ import annotations

import math
import uuid
from typing import Any

from support.server import Answer, Server, in_ms

STORE = {"lat": 6.2442, "lng": -75.5812}
METRES_PER_DEGREE = 6_371_008.8 * math.pi / 180


def north(metres: float) -> dict[str, float]:
    """The point so many metres north of the store (along the meridian, exactly)."""
    return {"lat": STORE["lat"] + metres / METRES_PER_DEGREE, "lng": STORE["lng"]}


def new_key() -> str:
    return str(uuid.uuid4())


class Scene:
    """A merchant's store and product on one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.token = server.register("merchant")["access_token"]
        store = {
            "name": "TechShop Medellín Centro",
            "address": "Carrera 43 # 50-12",
            "location": STORE,
            "timezone": "America/Bogota",
        }
        self.store = server.post("/api/v1/stores", self.token, store).expect(201)
        product = {"name": "Audífonos", "description": "Inalámbricos", "price": {"amount": 99_900, "currency": "COP"}}
        self.product = server.post(f"/api/v1/stores/{self.store['id']}/products", self.token, product).expect(201)

    def launch(self, **terms: Any) -> dict[str, Any]:
        """Launches a promotion: live at once for an hour, 10 units, unless told otherwise."""
        body = {
            "product_id": self.product["id"],
            "price": {"amount": 49_900, "currency": "COP"},
            "stock": 10,
            "ends_at": in_ms(3_600_000),
            **terms,
        }
        return self.server.post(f"/api/v1/stores/{self.store['id']}/promotions", self.token, body).expect(201)

    def act(self, promotion: dict[str, Any], action: str) -> dict[str, Any]:
        """Cancels, pauses, resumes or publishes a promotion."""
        return self.server.post(f"/api/v1/promotions/{promotion['id']}/{action}", self.token).expect(200)

    def clear(self) -> None:
        """Ends every sale that is still on, so that the next test starts with none."""
        for status in ("live", "scheduled", "paused"):
            path = f"/api/v1/promotions?store_id={self.store['id']}&status={status}&limit=100"
            for promotion in self.server.get(path, self.token).expect(200)["items"]:
                self.act(promotion, "cancel")

    def claim(self, promotion: dict[str, Any], token: str, key: str = "", **body: Any) -> Answer:
        """Claims over HTTP, at the store's door."""
        path = f"/api/v1/promotions/{promotion['id']}/claims"
        return self.server.post(path, token, {"location": STORE, **body}, key or new_key())
