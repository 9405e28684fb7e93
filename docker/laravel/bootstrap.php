<?php

// Loads Laravel's database layer as `Capsule` offers it outside of the full framework, and the application's classes.

declare(strict_types=1);

use Illuminate\Container\Container;
use Illuminate\Database\Capsule\Manager as Capsule;
use Illuminate\Events\Dispatcher;

require 'Illuminate/Database/autoload.php';
require 'Illuminate/Events/autoload.php';
require 'Illuminate/Container/autoload.php';

foreach (['Models/Invoice', 'Models/InvoiceLine', 'InvoiceWriter', 'History'] as $class) {
    require __DIR__ . "/app/{$class}.php";
}

/** The application's database, as `DB` and Eloquent see it. Connects at the first statement. */
function bootDatabase(): Capsule
{
    $config = require __DIR__ . '/config/database.php';
    $capsule = new Capsule();
    $capsule->getContainer()['config']['database.default'] = $config['default'];
    foreach ($config['connections'] as $name => $connection) {
        $capsule->addConnection($connection, $name);
    }
    $capsule->setEventDispatcher(new Dispatcher(new Container()));
    $capsule->setAsGlobal();
    $capsule->bootEloquent();

    return $capsule;
}

/** Where the worker leaves what the page shows. */
function historyFile(): string
{
    return getenv('HISTORY_FILE') ?: sys_get_temp_dir() . '/invoices-history.json';
}
