-- An officer sees discharge, limits and episodes of a park; the energy and water of a tenant only where it was granted.
CREATE TABLE user_energy (
    user_id     int NOT NULL REFERENCES app_user ON DELETE CASCADE,
    tenant_id   int NOT NULL REFERENCES tenant,
    PRIMARY KEY (user_id, tenant_id)
);
