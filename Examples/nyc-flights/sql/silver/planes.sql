-- History is kept (load: scd2): a plane whose entry changes gets a new version.
SELECT
    tailnum,
    year AS built_year,
    type AS plane_type,
    -- One maker, one name: the register spells some of them in several ways.
    CASE
        WHEN manufacturer LIKE 'AIRBUS%' THEN 'AIRBUS'
        WHEN manufacturer LIKE 'MCDONNELL DOUGLAS%' THEN 'MCDONNELL DOUGLAS'
        ELSE manufacturer
    END AS manufacturer,
    model,
    engines,
    seats,
    speed AS cruising_speed_mph,
    engine AS engine_type
FROM bronze.planes
